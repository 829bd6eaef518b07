"""Deferred nodes: they run when nothing else is active, one after the other, and see everything."""

from __future__ import annotations

from typing import Any

from tests.builders import chain, route, task, writes
from tests.simulation.world import World
from tests.unit.engine.worlds import begun, sound


def logs(**fields: Any) -> dict[str, Any]:
    return task(output_key="log", reads=["log"], **fields)


def saw(world: World, node: str) -> Any:
    return next(work.request.state for work in world.outbox.works.values() if work.node == node)


FIRST = (
    {"d": logs(defer=True), "a": logs(), "b": logs()},
    [("__start__", "d"), ("d", "__end__"), ("__start__", "a"), ("a", "b"), ("b", "__end__")],
)
SIDES = (
    {"d": logs(defer=True), "s": logs(), **{name: logs() for name in "abc"}},
    [("__start__", "s"), ("__start__", "a"), ("a", "b"), ("b", "c"), ("s", "__end__"), ("c", "__end__")],
)


def test_a_deferred_node_waits_for_everything_and_sees_it() -> None:
    world = begun(*FIRST)

    world.answer("a", "a")
    world.answer("b", "b")
    seen = saw(world, "d")
    world.answer("d", "d")

    assert seen == {"log": ["a", "b"]}
    assert (world.status, world.state["log"]) == ("completed", ["a", "b", "d"])
    assert sound(world)


def test_a_deferred_node_that_no_edge_leads_to_runs_once() -> None:
    world = begun({**SIDES[0], "d": writes(log="d") | {"defer": True}}, SIDES[1])

    for node in "sabc":
        world.answer(node, node)

    assert (world.status, world.state["log"]) == ("completed", ["s", "a", "b", "c", "d"])
    assert sound(world)


def test_a_deferred_node_is_caused_by_all_that_nothing_followed_from() -> None:
    world = begun(*SIDES)

    for node in "abc":
        world.answer(node, node)
    world.answer("s", "s")
    (opened,) = world.run.tasks.values()

    nodes = {commit.ref: commit.task.node for commit in world.commits() if commit.task is not None}
    assert [nodes[ref] for ref in opened.causes] == ["s", "c"]
    assert opened.level == 4


def test_what_was_folded_away_is_seen_too_also_after_a_crash() -> None:
    world = begun(*SIDES)

    for node in "sab":
        world.answer(node, node)
        world.crash()
        world.turn()
    world.answer("c", "c")
    world.crash()
    world.turn()

    assert saw(world, "d") == {"log": ["s", "a", "b", "c"]}
    assert sound(world)


def test_what_is_deferred_is_read_from_a_snapshot() -> None:
    world = begun(*SIDES)

    for node in "sab":
        world.answer(node, {"output": node, "note": "x" * 40_000})
    world.crash()
    world.turn()
    kept = [row.snapshot is not None for row in world.rows()]
    world.answer("c", "c")

    assert any(kept)
    assert saw(world, "d") == {"log": ["s", "a", "b", "c"]}
    assert sound(world)


def test_deferred_nodes_run_one_after_the_other_the_shallow_ones_first() -> None:
    world = begun(
        {"late": logs(defer=True), "early": logs(defer=True), "a": logs(), "b": logs()},
        [
            ("__start__", "a"), ("a", "b"), ("b", "late"), ("late", "__end__"), ("a", "early"), ("early", "__end__"),
        ],
    )  # fmt: skip

    world.answer("a", "a")
    world.answer("b", "b")
    first = world.waiting()
    world.answer("early", "early")

    assert first == [("early", None)]
    assert saw(world, "late") == {"log": ["a", "b", "early"]}


def test_what_follows_a_deferred_node_is_done_before_the_next_one() -> None:
    world = begun(
        {"one": logs(defer=True), "two": logs(defer=True), "after": logs(), "a": logs()},
        [
            ("__start__", "a"), ("a", "one"), ("a", "two"), ("one", "after"), ("after", "__end__"), ("two", "__end__"),
        ],
    )  # fmt: skip

    world.answer("a", "a")
    world.answer("one", "one")
    between = world.waiting()
    world.answer("after", "after")

    assert between == [("after", None)]
    assert world.waiting() == [("two", None)]
    assert sound(world)


def test_a_deferred_node_in_a_loop_runs_again_when_something_arrives_again() -> None:
    world = begun(
        {"a": writes(n=1), "d": writes(log="d") | {"defer": True}, "r": route("done", ("state.n < 3", "again"))},
        [("__start__", "a"), ("a", "d"), ("d", "r"), ("r:again", "a"), ("r:done", "__end__")],
    )

    assert (world.status, world.state["log"]) == ("completed", ["d"] * 3)
    assert sound(world)


def test_a_deferred_node_beyond_a_limit_fails_the_run() -> None:
    world = begun({"a": writes(n=1), "d": writes(n=1) | {"defer": True}}, chain("a", "d"), config={"max_steps": 1})

    assert world.run.error is not None
    assert (world.run.error.code, world.run.error.node) == ("run.step_limit", "d")


def test_a_fork_activates_a_deferred_node_anew_after_its_edit() -> None:
    world = begun(*FIRST)
    for node in "ab":
        world.answer(node, node)

    world.fork(world.run.seq, {"log": ["edit"]})

    assert saw(world, "d") == {"log": ["a", "b", "edit"]}
    assert sound(world)
