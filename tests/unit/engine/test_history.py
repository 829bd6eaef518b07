"""What tasks see: the writes of their causes in canonical order, whatever the order of the answers."""

from __future__ import annotations

import pytest

from engine.errors import Invalid
from engine.fold import Entry
from engine.history import History
from engine.model import Ref
from tests.builders import chain, document, graph_of, route, task, writes
from tests.simulation.world import World

DIAMOND = [("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "__end__")]
WAIT = {"type": "interrupt", "message": "?"}


def begun(nodes, edges, state=None, given=None, **more) -> World:
    world = World(graph_of(document(nodes, edges, state, **more)))
    world.start(given)
    return world


def asked(world: World, node: str):
    """The request that a task's worker holds or will get."""
    return next(work.request for work in world.outbox.works.values() if work.node == node)


def branches() -> World:
    """Two tasks that append to `log`, and a third that reads it behind their join."""
    logs = task(output_key="log")
    return begun({"a": logs, "b": logs, "j": task(reads=["log", "last"])}, DIAMOND)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_a_join_folds_its_branches_by_position(order: tuple[str, str]) -> None:
    world = branches()

    for node in order:
        world.answer(node, node)

    assert asked(world, "j").state == {"log": ["a", "b"]}


def test_a_lower_level_comes_first_whatever_its_position() -> None:
    logs = task(output_key="log")
    edges = [("__start__", "a"), ("a", "b"), ("__start__", "c"), ("b", "j"), ("c", "j")]
    world = begun({"a": logs, "b": logs, "c": logs, "j": task(reads=["log"])}, [*edges, ("j", "__end__")])

    for node in ("a", "b", "c"):
        world.answer(node, node)

    assert asked(world, "j").state == {"log": ["a", "c", "b"]}


def test_a_branch_does_not_see_what_runs_beside_it() -> None:
    logs = task(output_key="log")
    edges = [("__start__", "a"), ("__start__", "b"), ("b", "c"), ("c", "__end__")]
    world = begun({"a": logs, "b": logs, "c": task(reads=["log"])}, edges)

    world.answer("a", "a")
    world.answer("b", "b")

    assert asked(world, "c").state == {"log": ["b"]}
    assert world.state["log"] == ["a", "b"]


def test_what_is_written_before_a_fork_is_seen_once_behind_the_join() -> None:
    logs = task(output_key="log")
    edges = [("__start__", "s"), ("s", "a"), ("s", "b"), ("a", "j"), ("b", "j"), ("j", "__end__")]
    world = begun({"s": logs, "a": logs, "b": logs, "j": task(reads=["log"])}, edges)

    for node in ("s", "b", "a"):
        world.answer(node, node)

    assert asked(world, "j").state == {"log": ["s", "a", "b"]}


def test_floating_sums_do_not_depend_on_the_order_of_the_answers() -> None:
    state = {"f": {"type": "number", "reducer": "add"}}
    nodes = {"a": task(output_key="f"), "b": task(output_key="f"), "j": task(reads=["f"])}
    sums = set()
    for order in (("a", "b"), ("b", "a")):
        world = begun(nodes, DIAMOND, state, {"f": 0.1})
        for node in order:
            world.answer(node, {"a": 1e16, "b": -1e16}[node])
        sums.add(asked(world, "j").state["f"])

    assert sums == {0.1 + 1e16 - 1e16}


def test_an_ephemeral_key_is_seen_by_direct_followers_alone() -> None:
    state = {"hint": {"type": "string", "ephemeral": True}}
    nodes = {"a": task(output_key="hint"), "b": task(reads=["hint"]), "c": task(reads=["hint"])}
    world = begun(nodes, chain("a", "b", "c"), state)

    world.answer("a", "now")
    first = asked(world, "b").state
    shown = world.state
    world.answer("b", "later")

    assert (first, shown) == ({"hint": "now"}, {"hint": "now"})
    assert (asked(world, "c").state, world.state) == ({}, {})


def test_two_writes_of_one_commit_to_an_ephemeral_list_are_both_shown() -> None:
    state = {"notes": {"type": "array", "reducer": "append", "ephemeral": True}}
    world = begun({"a": task(output_key="notes"), "b": task(reads=["notes"])}, chain("a", "b"), state)

    world.answer("a", {"output": "two", "updates": {"notes": "one"}})

    assert world.state == asked(world, "b").state == {"notes": ["one", "two"]}


def test_an_edit_comes_between_what_was_committed_before_and_after_it() -> None:
    logs = task(output_key="log")
    nodes = {"w": WAIT, "a": logs, "b": logs, "j": task(reads=["log"])}
    edges = [("__start__", "w"), ("__start__", "a"), ("__start__", "b"), ("w", "j"), ("a", "j"), ("b", "j")]
    world = begun(nodes, [*edges, ("j", "__end__")])

    world.answer("b", "before")
    world.resume(next(iter(world.run.interrupts)), "yes", {"log": "edit"})
    world.answer("a", "after")

    assert asked(world, "j").state == {"log": ["before", "edit", "after"]}


def test_a_task_that_was_active_before_an_edit_does_not_see_it() -> None:
    nodes = {"w": WAIT, "a": task(reads=["n"]), "b": task(reads=["n"])}
    world = begun(nodes, [("__start__", "w"), ("__start__", "a"), ("a", "b"), ("w", "__end__"), ("b", "__end__")])

    world.resume(next(iter(world.run.interrupts)), "yes", {"n": 5})
    before = asked(world, "a").state
    world.answer("a", "x")

    assert (before, asked(world, "b").state) == ({"n": 0}, {"n": 5})


def test_an_edit_that_overwrites_does_not_touch_other_keys() -> None:
    logs = task(output_mapping={"log": "log", "n": "n"})
    world = begun({"w": WAIT, "a": logs}, [("__start__", "w"), ("__start__", "a"), ("w", "__end__")])

    world.answer("a", {"output": {"log": "x", "n": 1}})
    world.resume(next(iter(world.run.interrupts)), "yes", {"log": {"__overwrite": True, "value": []}})

    assert (world.state["log"], world.state["n"]) == ([], 1)


def test_an_edit_that_does_not_fit_is_refused_and_changes_nothing() -> None:
    world = begun({"w": WAIT}, chain("w"))
    before = len(world.rows())

    with pytest.raises(Invalid):
        world.resume(next(iter(world.run.interrupts)), "yes", {"n": "many"})

    assert (len(world.rows()), next(iter(world.run.interrupts.values())).node) == (before, "w")


def test_a_commit_that_everything_descends_from_folds_away_what_was_before_it() -> None:
    world = branches()
    world.answer("b", "b")
    held = len(world.run.history.entries)

    world.answer("a", "a")

    assert (held, len(world.run.history.entries)) == (2, 3)  # the join has two causes: no single commit before it

    world.answer("j", "j")

    assert len(world.run.history.entries) == 1


def test_a_branch_that_has_ended_keeps_nothing_but_its_share_of_the_state_shown() -> None:
    logs = task(output_key="log")
    edges = [("__start__", "a"), ("__start__", "b"), ("b", "c"), ("c", "__end__")]
    world = begun({"a": logs, "b": logs, "c": logs}, edges)

    for node in ("a", "b"):
        world.answer(node, node)

    assert len(world.run.history.entries) == 1
    assert world.state["log"] == ["a", "b"]
    assert world.run.history.lasting() is world.run.history.base_shown


def test_branches_that_do_not_merge_fail_the_task_behind_them_alone() -> None:
    state = {"cap": {"type": "integer", "reducer": "add", "maximum": 4}, "log": {"type": "array", "reducer": "append"}}
    nodes = {"a": task(output_key="cap"), "b": task(output_key="cap"), "j": task(), "h": writes(log="{{ error.code }}")}
    edges = [*DIAMOND, ("j:error", "h"), ("h", "__end__")]
    world = begun(nodes, edges, state)

    world.answer("a", 3)
    world.answer("b", 3)

    assert (world.status, world.state["log"], world.state["cap"]) == ("completed", ["state.invalid"], 6)


def test_the_output_of_a_run_does_not_depend_on_which_branch_ends_last() -> None:
    state = {"hint": {"type": "string", "ephemeral": True}}
    nodes = {"a": task(output_key="hint"), "b": task()}
    edges = [("__start__", "a"), ("__start__", "b"), ("a", "__end__"), ("b", "__end__")]
    ends = set()
    for order in (("a", "b"), ("b", "a")):
        world = begun(nodes, edges, state, output={"said": "{{ state.hint | default('nothing') }}"})
        for node in order:
            world.answer(node, node)
        ends.add((world.status, str(world.run.history.shown())))

    assert ends == {("completed", "{}")}


def test_rounds_of_a_loop_are_folded_in_the_order_of_their_levels() -> None:
    nodes = {"a": task(output_key="log"), "r": route("done", ("meta.step < 5", "again"))}
    world = begun(nodes, [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "__end__")])

    for text in ("one", "two", "three"):
        world.answer("a", text)

    assert (world.status, world.state["log"]) == ("completed", ["one", "two", "three"])


def test_rounds_that_run_in_step_are_told_apart_however_long_ago_they_parted() -> None:
    history = History(graph_of(document({"a": task()}, chain("a"))))
    rows: list[list[Entry]] = [[], []]
    for level in range(3000):
        for side, row in enumerate(rows):
            causes = (row[-1].ref,) if row else ()
            edges = (side,) if not row else ()
            row.append(Entry(Ref(2 * level + side), -side, (level, 0, -1), {}, causes=causes, edges=edges))
            history.entries[row[-1].ref] = row[-1]
    last, other = rows[0][-1], rows[1][-1]

    assert (history.compare(last, other), history.compare(other, last), history.compare(last, last)) == (-1, 1, 0)
