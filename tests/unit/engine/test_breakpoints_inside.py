"""Breakpoints in graphs that a run's nodes run: those of their documents, and those that a run names by a path."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Invalid
from engine.gates import check_stops, stops_of
from tests.builders import chain, document, graph_of, task
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

STATE: dict[str, Any] = {"log": {"type": "array", "reducer": "append"}}
LOGS = task(output_key="log")


def part(nodes: dict[str, Any], edges: list[Any], **fields: Any) -> dict[str, Any]:
    """A node that runs a graph."""
    made = {key: value for key, value in document(nodes, edges, STATE).items() if key != "id"}
    return {"type": "subgraph", "definition": {**made, **fields}, "output_mapping": {"log": "log"}}


DEEP = part({"in": part({"a": LOGS, "b": LOGS}, chain("a", "b")), "c": LOGS}, chain("in", "c"))


def begun(nodes: dict[str, Any], before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> World:
    graph = graph_of(document(nodes, chain(*nodes), STATE))
    world = World(graph)
    world.start(None, stops=stops_of(graph, before, after))
    return world


def stopped_at(world: World) -> list[str]:
    return [found.node for found in world.run.interrupts.values()]


def go_on(world: World) -> None:
    """Pass the breakpoint that is open."""
    [name] = world.run.interrupts
    world.resume(name, None)


@pytest.mark.parametrize("crash", [False, True])
def test_a_run_stops_before_a_node_inside_at_whatever_depth(crash: bool) -> None:
    world = begun({"s": DEEP}, before=("s/in/b",))
    world.answer("a", "a")
    if crash:
        world.crash()
    assert (stopped_at(world), world.status) == (["b"], "interrupted")

    go_on(world)
    world.answer("b", "b")
    world.answer("c", "c")

    assert (world.status, world.state["log"]) == ("completed", ["a", "b", "c"])
    assert sound(world)


def test_a_run_stops_after_a_node_inside() -> None:
    world = begun({"s": DEEP}, after=("s/in/a", "s/c"))
    world.answer("a", "a")
    first = stopped_at(world)
    go_on(world)
    world.answer("b", "b")
    world.answer("c", "c")

    assert (first, stopped_at(world)) == (["a"], ["c"])
    assert sound(world)


@pytest.mark.parametrize("own", [False, True], ids=["of the run", "of the document"])
def test_the_first_node_inside_is_held_back_too(own: bool) -> None:
    inner = part({"a": LOGS}, chain("a"), **({"interrupt_before": ["a"]} if own else {}))
    world = begun({"s": inner}, before=() if own else ("s/a",))

    assert (stopped_at(world), world.waiting()) == (["a"], [])
    go_on(world)
    assert world.waiting() == [("a", None)]
    assert sound(world)


def test_breakpoints_of_a_run_stand_beside_those_of_a_document_inside() -> None:
    inner = part({"a": LOGS, "b": LOGS}, chain("a", "b"), interrupt_before=["b"])
    world = begun({"s": inner}, after=("s/a",))
    world.answer("a", "a")
    assert stopped_at(world) == ["a"]
    go_on(world)

    assert stopped_at(world) == ["b"]
    assert sound(world)


def test_a_name_inside_is_none_of_the_run_itself() -> None:
    world = begun({"s": part({"a": LOGS}, chain("a")), "a": LOGS}, before=("s/a",))
    go_on(world)
    world.answer("a", "inside")

    assert (world.status, world.waiting()) == ("running", [("a", None)])


def test_a_breakpoint_at_what_a_send_inside_runs_holds_the_whole_send() -> None:
    inner = {
        "all": {"type": "send", "items_key": "state.many", "target_node": "one", "output_key": "out"},
        "one": task(),
    }
    made = part(inner, chain("all"))
    made["definition"]["state_schema"] = {"many": {"type": "array", "default": [1, 2]}, "out": {}, **STATE}
    world = begun({"s": made}, before=("s/one",))

    assert (stopped_at(world), world.waiting()) == (["all"], [])


def test_a_fork_has_the_breakpoints_inside_too() -> None:
    world = begun({"s": DEEP}, before=("s/in/b",))
    world.fork(1)
    world.answer("a", "a")

    assert stopped_at(world) == ["b"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("s/x", "nodes in 's': in, c"),
        ("s/in/x", "nodes in 's/in': a, b"),
        ("x/a", "nodes: s"),
        ("s/c/a", "nodes in 's': in, c"),
        ("s/", "nodes in 's': in, c"),
        ("/s", "nodes: s"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(name: str, said: str) -> None:
    graph = graph_of(document({"s": DEEP}, chain("s"), STATE))
    check_stops(graph, ["s", "s/in", "s/in/a", "s/c"])

    with pytest.raises(Invalid, match=said) as refused:
        check_stops(graph, [name])

    assert refused.value.reason == "breakpoint.unknown_node"
