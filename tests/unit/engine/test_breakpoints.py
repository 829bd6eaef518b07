"""Breakpoints: where a run stops, what is seen when it goes on, and what it does not change."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Invalid
from engine.gates import check_stops, stops_of
from engine.graph import Graph
from engine.model import InterruptId, RunStatus
from tests.builders import chain, document, graph_of, route, task, writes
from tests.simulation.world import World

DIAMOND = [("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "__end__")]
LOG = task(prompt_template="{{ state.log | join(',') }}", output_key="log")
LINE = {"a": writes(log="a"), "b": LOG}


def begun(graph: Graph, given: dict[str, Any] | None = None, **stops: list[str]) -> World:
    world = World(graph)
    world.start(given, stops=stops_of(graph, stops.get("before", []), stops.get("after", [])))
    return world


def stopped_at(world: World) -> list[tuple[str, str]]:
    return [(found.node, found.kind) for found in world.run.interrupts.values()]


def go_on(world: World, value: Any = None, updates: dict[str, Any] | None = None) -> None:
    world.resume(next(iter(world.run.interrupts)), value, updates)


def prompts(world: World) -> list[str]:
    return [str(work.request.prompt) for work in world.outbox.works.values()]


def test_a_run_stops_before_a_node_once() -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), before=["b"])

    stopped = (world.status, stopped_at(world), world.waiting())
    go_on(world)
    world.answer("b", "b")

    assert stopped == (RunStatus.INTERRUPTED, [("b", "breakpoint")], [])
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["a", "b"])


@pytest.mark.parametrize("stops", [{"before": ["b"]}, {"after": ["a"]}], ids=["before", "after"])
def test_what_was_edited_while_a_run_stopped_is_seen_when_it_goes_on(stops: dict[str, list[str]]) -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), **stops)

    go_on(world, {}, {"log": "edited"})

    assert prompts(world) == ["a,edited"]


def test_after_a_node_its_writes_are_there_and_nothing_follows_yet() -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), after=["a"])

    assert (world.state["log"], stopped_at(world)) == (["a"], [("a", "breakpoint")])
    assert [task.node for task in world.run.open_tasks()] == []


def test_a_join_waits_for_the_branch_that_a_breakpoint_holds_back() -> None:
    nodes = {"a": writes(log="a"), "b": writes(log="b"), "j": LOG}
    world = begun(graph_of(document(nodes, DIAMOND)), after=["a"])

    held = world.waiting()
    go_on(world)

    assert (held, prompts(world)) == ([], ["a,b"])


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_breakpoint_changes_no_task_id(side: str) -> None:
    nodes = {"a": writes(log="a"), "b": writes(log="b"), "j": LOG}
    graph = graph_of(document(nodes, DIAMOND))
    free, stopped = begun(graph), begun(graph, **{side: ["a", "b", "j"]})

    while stopped.run.interrupts:
        go_on(stopped)

    assert [*stopped.outbox.works] == [*free.outbox.works]


def test_every_round_of_a_loop_stops_again() -> None:
    nodes = {"a": writes(n=1), "r": route("done", ("state.n < 3", "again"))}
    edges = [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "__end__")]
    world = begun(graph_of(document(nodes, edges)), before=["a"])

    stops = 0
    while world.run.interrupts:
        stops += 1
        go_on(world)

    assert (stops, world.state["n"], world.status) == (3, 3, RunStatus.COMPLETED)


def test_a_route_goes_on_by_the_way_it_chose_before_it_stopped() -> None:
    nodes = {"r": route("done", ("state.n < 3", "more")), "m": writes(log="more")}
    edges = [("__start__", "r"), ("r:more", "m"), ("m", "__end__"), ("r:done", "__end__")]
    world = begun(graph_of(document(nodes, edges)), after=["r"])

    go_on(world, None, {"n": 9})

    assert world.state["log"] == ["more"]


def test_a_breakpoint_at_the_target_of_a_send_holds_the_send() -> None:
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "t"}, "t": task()}
    world = begun(graph_of(document(nodes, chain("s"))), {"items": [1, 2]}, before=["t"])

    stopped = (stopped_at(world), world.waiting())
    go_on(world)

    assert stopped == ([("s", "breakpoint")], [])
    assert world.waiting() == [("t", 0), ("t", 1)]


def test_a_breakpoint_takes_no_value() -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), before=["b"])

    with pytest.raises(Invalid) as refused:
        go_on(world, "yes")

    assert (refused.value.reason, len(world.run.interrupts)) == ("resume.invalid", 1)


def test_a_run_stops_where_its_workflow_says_unless_it_says_otherwise() -> None:
    graph = graph_of(document(LINE, chain("a", "b"), interrupt_before=["b"]))

    assert stops_of(graph, None, None).before == {"b"}
    assert stops_of(graph, [], None).before == frozenset()
    assert stops_of(graph, ["a"], None).before == {"a"}


def test_a_run_cannot_stop_at_a_node_that_is_not_there() -> None:
    with pytest.raises(Invalid) as refused:
        check_stops(graph_of(document(LINE, chain("a", "b"))), ["c"])

    assert refused.value.reason == "breakpoint.unknown_node"


def test_a_restart_keeps_what_is_held_back() -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), after=["a"])
    (asked,) = world.run.interrupts

    world.crash()
    world.resume(InterruptId(asked), None)

    assert prompts(world) == ["a"]


def test_a_fork_from_before_a_breakpoint_stops_there_anew() -> None:
    world = begun(graph_of(document(LINE, chain("a", "b"))), before=["b"])
    (first,) = world.run.interrupts

    world.fork(2, {"log": "fork"})
    (second,) = world.run.interrupts
    go_on(world)

    assert second != first
    assert prompts(world) == ["a,fork"]


def test_a_run_that_is_to_stop_sends_what_a_worker_may_hold_since_before_a_crash() -> None:
    world = begun(graph_of(document({"a": LOG, "b": LOG}, chain("a", "b"))))

    world.crash()
    world.stop()
    world.answer("a", "a")

    assert (world.status, stopped_at(world)) == (RunStatus.INTERRUPTED, [("b", "breakpoint")])
