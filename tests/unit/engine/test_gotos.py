"""Answers that name the next nodes: which may be named, in which rounds they are met, and what joins with what."""

from __future__ import annotations

import pytest

from tests.builders import chain, document, graph_of, route, task, writes
from tests.simulation.world import World
from tests.unit.engine.worlds import begun, open_nodes, sound

LINE = {"a": task(output_key="log"), "b": task(output_key="log"), "c": task(output_key="log")}


def test_the_node_that_is_named_runs_in_place_of_the_edges() -> None:
    world = begun(LINE, chain("a", "b", "c"))

    world.answer("a", {"output": "a", "goto": "c"})
    world.answer("c", {"output": "c"})

    assert (world.status, world.state["log"]) == ("completed", ["a", "c"])
    assert sound(world)


def test_an_answer_that_names_the_end_ends_its_branch() -> None:
    world = begun(LINE, chain("a", "b", "c"))

    world.answer("a", {"output": "a", "goto": "__end__"})

    assert (world.status, world.state["log"]) == ("completed", ["a"])


def test_nodes_that_are_named_twice_run_once() -> None:
    world = begun(LINE, chain("a", "b", "c"))

    world.answer("a", {"goto": ["c", "c"]})

    assert open_nodes(world) == ["c"]


def test_the_updates_of_a_goto_are_written_with_those_of_the_answer() -> None:
    world = begun(LINE, chain("a", "b", "c"))

    world.answer("a", {"updates": {"n": 1}, "goto": {"node": "c", "updates": {"n": 2}}})

    assert world.state["n"] == 3


@pytest.mark.parametrize(
    ("allowed", "named", "code"),
    [({}, "ghost", "goto.unknown_node"), ({"goto": ["b"]}, "c", "goto.not_allowed")],
)
def test_a_node_that_cannot_be_named_fails_the_task(allowed: dict, named: str, code: str) -> None:
    world = begun({**LINE, "a": task(**allowed)}, chain("a", "b", "c"))

    world.answer("a", {"output": "a", "goto": named})

    assert world.status == "failed"
    assert world.run.error is not None
    assert world.run.error.code == code


def test_the_end_may_be_named_whatever_a_node_allows() -> None:
    world = begun({**LINE, "a": task(goto="b")}, chain("a", "b", "c"))

    world.answer("a", {"goto": "__end__"})

    assert world.status == "completed"


def test_an_item_of_a_send_leads_nowhere_else() -> None:
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task(), "z": task()}
    world = World(graph_of(document(nodes, chain("s", "z"))))
    world.start({"items": [1]})

    world.answer("w", {"output": 1, "goto": "z"}, 0)

    assert world.run.error is not None
    assert world.run.error.code == "goto.not_allowed"


def test_a_node_behind_in_a_loop_is_met_in_the_next_round() -> None:
    world = begun(
        {"a": task(), "b": task(), "r": route("done", ("meta.step > 90", "again"))},
        [("__start__", "a"), ("a", "b"), ("b", "r"), ("r:again", "a"), ("r:done", "__end__")],
    )

    world.answer("a", 0)
    world.answer("b", {"goto": "a"})
    (opened,) = world.run.tasks.values()

    assert (opened.wave.node, opened.wave.rounds, opened.wave.generation) == ("a", (1,), "")
    assert sound(world)


def test_a_node_ahead_keeps_its_rounds_and_takes_part_in_the_joins_there() -> None:
    world = begun(
        {"a": task(), "b": task(), "x": task(), "j": task()},
        [("__start__", "a"), ("__start__", "b"), ("a", "x"), ("x", "j"), ("b", "j"), ("j", "__end__")],
    )

    world.answer("a", {"goto": "x"})
    world.answer("x", 0)
    before = open_nodes(world)
    world.answer("b", 0)

    assert before == ["b"]
    assert open_nodes(world) == ["j"]


def test_a_join_that_is_named_runs_at_once_and_what_waits_there_stays() -> None:
    world = begun(
        {"a": task(), "b": task(), "c": task(), "j": writes(log="j")},
        [("__start__", "a"), ("__start__", "b"), ("__start__", "c"), *((n, "j") for n in "abc"), ("j", "__end__")],
    )

    world.answer("a", 0)
    world.answer("b", {"goto": "j"})
    early = world.state["log"]
    world.answer("c", 0)

    assert early == ["j"]
    assert (world.status, world.state["log"]) == ("completed", ["j", "j"])
    assert sound(world)


def test_a_node_where_no_edge_leads_opens_a_generation_that_joins_within_itself() -> None:
    world = begun(
        {"h": task(), "a": task(), "b": task(), "j": writes(log="j"), "z": task()},
        [("__start__", "h"), ("h", "a"), ("h", "b"), ("a", "j"), ("b", "j"), ("j", "z"), ("z", "__end__")],
    )

    for node in ("h", "a", "b"):
        world.answer(node, 0)
    world.answer("z", {"goto": "h"})
    (opened,) = world.run.tasks.values()
    for node in ("h", "a", "b", "z"):
        world.answer(node, 0)

    assert opened.wave.generation
    assert (world.status, world.state["log"]) == ("completed", ["j", "j"])
    assert sound(world)


def test_a_goto_is_read_again_from_the_rows_after_a_crash() -> None:
    world = begun(LINE, chain("a", "b", "c"))

    world.answer("a", {"goto": "c"})
    before = list(world.run.tasks.values())
    world.crash()

    assert list(world.run.tasks.values()) == before


def test_to_name_a_node_that_takes_no_more_begins_a_generation() -> None:
    nodes = {"p": task(), "q": task(), "t": {**task(), "join": "any"}, "u": {**task(), "join": "first"}}
    edges = [*(("__start__", name) for name in "pq"), ("p", "t"), ("q", "t"), ("t", "u"), ("u", "__end__")]
    world = begun(nodes, edges)
    for name in "ptu":
        world.answer(name, {})
    world.answer("q", {"goto": "t"})
    again = world.run.frontier.tasks.values()
    assert [(one.node, bool(one.wave.generation)) for one in again] == [("t", True)]
    world.answer("t", {})
    world.answer("u", {})

    assert world.status == "completed"
    assert [commit.task.node for commit in world.commits() if commit.task] == ["p", "t", "u", "q", "t", "u"]
    assert sound(world)
