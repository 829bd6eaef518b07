"""Forks and replays that name the nodes to go on with: what these see, and what they leave behind."""

from __future__ import annotations

import pytest

from engine import travel
from engine.errors import Conflict, Invalid
from engine.gates import stops_of
from engine.graph import Graph
from tests.builders import chain, document, graph_of, task
from tests.simulation.world import World
from tests.unit.engine.worlds import begun, open_nodes, sound

SEES = task(output_key="log")
LINE = {"a": SEES, "b": SEES, "c": SEES}
APART = [("__start__", "a"), ("__start__", "b"), ("a", "c"), ("c", "__end__"), ("b", "__end__")]


def seen_by(world: World, node: str) -> list:
    """What the open task of a node sees in the log."""
    found = next(open_task for open_task in world.run.tasks.values() if open_task.node == node)
    return list(world.run.history.view(found)["log"])


def test_what_was_in_flight_makes_way_for_the_nodes_that_are_named() -> None:
    world = begun(LINE, APART)

    world.fork(1, goto=("c",))

    assert open_nodes(world) == ["c"]
    world.answer("c", {"output": "c"})
    assert (world.status, world.state["log"]) == ("completed", ["c"])
    assert sound(world)


def test_arrivals_that_waited_are_left() -> None:
    world = begun({"a": SEES, "b": SEES, "j": SEES}, [*chain("a", "j"), ("__start__", "b"), ("b", "j")])
    world.answer("a", {"output": "a"})
    assert world.run.frontier.waves

    world.fork(2, goto=("b",))
    world.answer("b", {"output": "b"})

    assert world.run.frontier.waves == {}
    assert [len(open_task.edges) for open_task in world.run.tasks.values()] == [1]
    assert sound(world)


def test_a_node_that_is_named_sees_every_branch_and_the_edit() -> None:
    world = begun(LINE, APART)
    world.answer("a", {"output": "a"})
    world.answer("b", {"output": "b"})

    world.fork(3, {"log": "edit"}, goto=("a", "b"))

    assert seen_by(world, "a") == seen_by(world, "b") == ["a", "b", "edit"]
    world.answer("a", {"output": "x"})
    assert seen_by(world, "c") == ["a", "b", "edit", "x"]
    assert sound(world)


def test_a_node_that_is_named_sees_nothing_of_another_one() -> None:
    world = begun(LINE, APART)
    world.fork(1, goto=("a", "b"))
    world.answer("a", {"output": "a"})

    world.crash()

    assert seen_by(world, "b") == []


def test_a_run_that_is_over_goes_on_where_a_fork_says() -> None:
    world = begun(LINE, chain("a", "b", "c"))
    for node in ("a", "b", "c"):
        world.answer(node, {"output": node})

    world.fork(world.run.seq, goto=("b",))
    world.answer("b", {"output": "again"})

    assert open_nodes(world) == ["c"]
    assert world.state["log"] == ["a", "b", "c", "again"]


def test_nodes_that_are_named_meet_at_a_join_of_their_own() -> None:
    world = begun({"a": SEES, "b": SEES, "j": SEES}, [*chain("a", "j"), ("__start__", "b"), ("b", "j")])
    world.answer("a", {"output": "a"})
    world.fork(2, goto=("a", "b"))

    world.answer("a", {"output": "a2"})
    assert open_nodes(world) == ["b"]
    world.answer("b", {"output": "b2"})

    assert seen_by(world, "j") == ["a", "a2", "b2"]
    assert sound(world)


@pytest.mark.parametrize(
    ("names", "error", "field", "reason"),
    [
        (("ghost",), Invalid, "reason", "goto.unknown_node"),
        (("__start__",), Invalid, "reason", "goto.unknown_node"),
        (("__end__",), Conflict, "conflict", "fork.nothing_left"),
    ],
)
def test_what_cannot_run_cannot_be_named(names: tuple[str, ...], error: type, field: str, reason: str) -> None:
    world = begun(LINE, APART)

    with pytest.raises(error) as caught:
        travel.fork(world.run, travel.Wish(goto=names), 0, "test")

    assert vars(caught.value)[field] == reason


def test_a_goto_beyond_a_limit_of_the_run_is_refused() -> None:
    world = World(graph_of(document(LINE, APART)))
    world.start(config={"max_steps": 1})
    world.answer("b", {"output": "b"})

    with pytest.raises(Conflict) as caught:
        travel.fork(world.run, travel.Wish(goto=("c",)), 0, "test")

    assert caught.value.conflict == "goto.limit"


STATE = {"items": {"type": "array", "default": ["p", "q"]}, "out": {"type": "array"}, "log": {"reducer": "append"}}


def sending(each: str, number: int) -> Graph:
    """`s` has its items done by `each`, which says what it sees, beside `a`."""
    nodes = {
        "a": SEES,
        "s": {"type": "send", "items_key": "state.items", "target_node": each, "output_key": "out"},
        each: task(prompt_template="{{ state.log | join(',') }}"),
    }
    ends = [[one, "__end__"] for one in ("a", "s")]
    made = document(nodes, [*(["__start__", one] for one in ("a", "s")), *ends], interrupt_before=["s"])
    return graph_of({**made, "state_schema": STATE}, version=number)


@pytest.mark.parametrize("first", ["a", "s"])
def test_a_send_that_was_named_and_begins_anew_sees_what_it_saw_before(first: str) -> None:
    world = World(sending("t", 1), {2: sending("u", 2)})
    world.start(stops=stops_of(world.graph, None, None))
    world.resume(next(iter(world.run.interrupts)), None)
    world.fork(world.run.seq, goto=("a", "s"))
    order = [lambda: world.answer("a", {"output": "a"}), lambda: world.resume(next(iter(world.run.interrupts)), None)]
    for act in order if first == "a" else reversed(order):
        act()
    world.answer("t", {"output": 1}, 0)
    seen = [str(work.request.prompt) for work in world.outbox.works.values() if work.node == "t"]

    world.fork(world.run.seq, version=2)

    assert seen == [""]
    assert {str(work.request.prompt) for work in world.outbox.works.values() if work.node == "u"} == {""}
    assert sound(world)
