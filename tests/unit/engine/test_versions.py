"""Runs that go on with another version of their workflow, whose edges lead elsewhere."""

from __future__ import annotations

from typing import Any

from engine.driver.travel import Asked
from engine.graph import Graph
from engine.model import RunStatus
from tests.builders import document, graph_of, task
from tests.simulation.travels import replay
from tests.simulation.world import World
from tests.unit.engine.worlds import open_nodes, sound

STATE = {"items": {"type": "array", "default": ["p", "q"]}, "out": {"type": "array"}, "log": {}}
NODES = {
    "x": task(),
    "each": {"type": "send", "items_key": "state.items", "targets": ["inner"], "output_key": "out"},
    "inner": {
        "type": "subgraph",
        "definition": {
            "state_schema": STATE,
            "nodes": {"c": task(output_key="log")},
            "edges": [["__start__", "c"], ["c", "__end__"]],
        },
    },
}
APART = [["__start__", "x"], ["__start__", "each"], ["x", "__end__"], ["each", "__end__"]]
"""Two branches that have nothing to do with each other."""
AFTER = [*APART, ["x", "each"]]
"""The same, but that the second begins after the first."""


def version(number: int, edges: list[Any]) -> Graph:
    made = document(NODES, edges)
    made["state_schema"] = STATE
    return graph_of(made, version=number)


def begun(edges: list[Any], then: list[Any]) -> World:
    """A run that has started with some edges; version 2 of its workflow has others."""
    world = World(version(1, edges), {2: version(2, then)})
    world.start()
    return world


def answer_all(world: World) -> None:
    while world.outbox.works:
        node, index = world.waiting()[0]
        world.answer(node, {"output": node}, index)


def test_a_node_that_new_edges_activate_once_more_runs_beside_itself():
    world = begun(APART, AFTER)
    world.fork(world.run.seq, version=2)
    before = set(world.run.frames.nests.values())
    world.answer("x", {})

    assert len(before) == 2
    assert before < set(world.run.frames.nests.values())
    assert [node for node, _ in world.waiting()] == ["c"] * 4
    answer_all(world)
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_what_graphs_were_answered_is_remembered_over_versions_with_other_edges():
    world = begun(APART, AFTER)
    answer_all(world)
    replay(world, 1, Asked(reuse=True, version=2))

    assert world.run.frames.root.graph.version == 2
    assert world.status is RunStatus.COMPLETED
    assert [commit.reused for commit in world.commits() if commit.task and commit.task.node == "c"] == [True] * 4
    assert sound(world)


def test_a_wave_that_nothing_can_reach_any_more_is_not_carried_over_after_a_crash_either():
    nodes = {"x": task(), "y": task(), "z": {**task(), "join": "any"}}
    edges = [["__start__", "x"], ["__start__", "y"], ["x", "z"], ["y", "z"], ["z", "__end__"]]
    found = []
    for crashes in (False, True):
        world = World(graph_of(document(nodes, edges)), {2: graph_of(document({**nodes, "w": task()}, edges), 2)})
        world.start()
        world.answer("x", {})
        world.answer("y", {})
        if crashes:
            world.crash()
        world.fork(world.run.seq, version=2)
        found.append((world.commits()[-1].absorbed, open_nodes(world)))

    assert found == [((), ["z"])] * 2


def test_a_deferred_node_that_no_edge_leads_to_runs_also_where_a_fork_names_a_node_of_another_version():
    nodes = {"x": task(), "y": task(), "late": {**task(), "defer": True}}
    edges = [["__start__", "x"], ["x", "__end__"], ["__start__", "y"], ["y", "__end__"]]
    world = World(graph_of(document(nodes, edges)), {2: graph_of(document({**nodes, "w": task()}, edges), 2)})
    world.start()
    world.fork(world.run.seq, version=2, goto=("y",))
    world.answer("y", {})
    world.crash()
    world.turn()

    assert open_nodes(world) == ["late"]
    world.answer("late", {})
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def joining(join: str, number: int) -> Graph:
    nodes = {"x": task(), "y": task(), "z": {**task(), "join": join}}
    edges = [["__start__", "x"], ["__start__", "y"], ["__start__", "z"], ["x", "z"], ["y", "z"], ["z", "__end__"]]
    return graph_of(document(nodes, edges), version=number)


def test_what_waits_at_a_join_activates_by_itself_where_the_other_version_waits_for_nobody():
    world = World(joining("all", 1), {2: joining("each", 2)})
    world.start()
    world.answer("x", {})
    world.fork(world.run.seq, version=2)

    assert sorted(node for node, _ in world.waiting()) == ["y", "z", "z"]
    answer_all(world)
    assert world.status is RunStatus.COMPLETED
    assert sum(commit.task is not None and commit.task.node == "z" for commit in world.commits()) == 3
    assert sound(world)


def deferring(defer: bool, number: int) -> Graph:
    nodes = {"x": task(defer=defer), "c": task()}
    edges = [["__start__", "x"], ["__start__", "c"], ["x", "c"], ["c", "__end__"]]
    return graph_of(document(nodes, edges), version=number)


def test_a_node_that_did_not_wait_for_a_deferred_one_runs_once_more_after_it_where_that_is_deferred_no_more():
    world = World(deferring(True, 1), {2: deferring(False, 2)})
    world.start()
    before = [node for node, _ in world.waiting()]
    world.fork(world.run.seq, version=2)
    world.answer("x", {})

    assert before == ["c"]
    assert [node for node, _ in world.waiting()] == ["c", "c"]
    answer_all(world)
    assert world.status is RunStatus.COMPLETED
    assert sound(world)


def test_what_activated_by_itself_and_was_held_back_joins_where_the_other_version_waits_for_all():
    world = World(joining("each", 1), {2: joining("all", 2)})
    world.start(config={"max_tasks": 3})
    world.answer("x", {})
    world.fork(world.run.seq, config={"max_tasks": 100}, version=2)

    assert sorted(node for node, _ in world.waiting()) == ["y", "z"]
    answer_all(world)
    assert world.status is RunStatus.COMPLETED
    joined = [commit.task.edges for commit in world.commits() if commit.task and commit.task.node == "z"]
    assert sorted(map(len, joined)) == [1, 2]
    assert sound(world)
