"""Joins that do not wait for all that can come: any, first, and a quorum."""

from __future__ import annotations

import pytest

from engine.model import RunStatus, Wave
from engine.reach import Reach
from tests.builders import document, graph_of, route, task
from tests.simulation.world import World
from tests.unit.engine.worlds import open_nodes, sound

JOINED = [
    ("__start__", "a"),
    ("__start__", "b"),
    ("__start__", "c"),
    ("a", "j"),
    ("b", "j"),
    ("c", "j"),
    ("j", "__end__"),
]


def begun(join: object, edges: list | None = None, **nodes: dict) -> World:
    names = {name: task() for name in "abc"}
    world = World(graph_of(document({**names, "j": task(join=join), **nodes}, edges or JOINED)))
    world.start()
    return world


def asked(world: World) -> list[str]:
    return sorted(node for node, _ in world.waiting())


def test_any_runs_at_the_first_arrival_and_once():
    world = begun("any")

    world.answer("b", {"output": 1})
    assert asked(world) == ["a", "c", "j"]

    for node in "acj":
        world.answer(node, {"output": 1})
    assert world.status is RunStatus.COMPLETED
    assert [c.task.node for c in world.commits() if c.kind == "node"] == ["b", "a", "c", "j"]


def test_what_comes_later_takes_part_no_more():
    world = begun("any")
    world.answer("b", {"output": 1})

    world.answer("a", {"output": 1})

    run = world.run
    assert not run.frontier.waves
    assert run.frontier.absorbed == {Wave("j")}


def test_a_wave_that_nothing_can_reach_any_more_is_forgotten():
    world = begun("any")
    for node in "bac":
        world.answer(node, {"output": 1})

    assert world.run.frontier.absorbed == set()


def test_first_ends_what_can_only_lead_to_it():
    world = begun("first")

    world.answer("b", {"output": 1})

    assert asked(world) == ["j"]
    ended = world.commits()[-1].cancelled
    assert sorted(one.task.node for one in ended) == ["a", "c"]
    assert sorted(one.worker for one in ended if one.worker) == []


def test_first_lets_be_what_leads_elsewhere_too():
    edges = [*JOINED, ("a", "z"), ("z", "__end__")]
    world = begun("first", edges, z=task())

    world.answer("b", {"output": 1})

    assert asked(world) == ["a", "j"]
    world.answer("a", {"output": 1})
    assert asked(world) == ["j", "z"]


def test_first_ends_what_waits_on_the_way():
    edges = [
        ("__start__", "a"), ("__start__", "b"), ("__start__", "c"), ("a", "k"), ("c", "k"), ("k", "j"), ("b", "j"),
        ("j", "__end__"),
    ]  # fmt: skip
    world = begun("first", edges, k=task())
    world.answer("a", {"output": 1})

    world.answer("b", {"output": 1})

    assert asked(world) == ["j"]
    assert world.run.frontier.waves == {}
    world.answer("j", {"output": 1})
    assert world.status is RunStatus.COMPLETED


def test_first_ends_a_send_with_its_items():
    nodes = {"s": {"type": "send", "items_key": "items", "target_node": "w"}, "w": task(), "b": task()}
    edges = [("__start__", "s"), ("__start__", "b"), ("s", "j"), ("b", "j"), ("j", "__end__")]
    made = document({**nodes, "j": task(join="first")}, edges)
    made["state_schema"] = {"items": {"type": "array"}, "send_results": {"type": "array"}}
    world = World(graph_of(made))
    world.start({"items": [1, 2]})

    world.answer("b", {"output": 1})

    assert asked(world) == ["j"]
    assert [task.node for task in world.run.open_tasks()] == ["j"]


def test_a_quorum_runs_at_enough_edges():
    world = begun({"quorum": 2})
    world.answer("a", {"output": 1})
    assert asked(world) == ["b", "c"]

    world.answer("c", {"output": 1})

    assert asked(world) == ["b", "j"]


def test_a_quorum_that_cannot_be_reached_fails_the_node():
    edges = [
        ("__start__", "a"), ("__start__", "r"), ("a", "j"), ("r:b", "b"), ("b", "j"), ("r:c", "c"), ("c", "__end__"),
        ("j", "__end__"),
    ]  # fmt: skip
    world = begun({"quorum": 2}, edges, r=route("c", ("false", "b")))

    world.answer("a", {"output": 1})

    assert world.status is RunStatus.FAILED
    assert (world.run.error.code, world.run.error.node) == ("join.quorum_not_reached", "j")


@pytest.mark.parametrize("join", ["any", "first", {"quorum": 1}])
def test_every_round_of_a_loop_has_a_first_arrival(join):
    edges = [
        ("__start__", "h"), ("h", "b"), ("h", "c"), ("b", "j"), ("c", "j"), ("j", "r"), ("r:again", "h"),
        ("r:out", "__end__"),
    ]  # fmt: skip
    nodes = {"h": {"type": "transform", "updates": {}}, "r": route("again", ("meta.step > 8", "out"))}
    world = World(graph_of(document({**nodes, "b": task(), "c": task(), "j": task(join=join)}, edges)))
    world.start()

    while world.status is RunStatus.RUNNING and "c" in asked(world):
        world.answer("c", {"output": 1})
        world.answer("j", {"output": 1})

    rounds = [c.task.wave.rounds for c in world.commits() if c.kind == "node" and c.task.node == "j"]
    assert rounds == [(0,), (1,), (2,)]


def test_work_passes_no_wave_that_takes_no_more():
    shape = graph_of(document({name: task() for name in "abj"}, [
        ("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "__end__"),
    ])).topology  # fmt: skip

    assert Reach(shape, ())(Wave("a"), Wave("__end__"))
    assert not Reach(shape, {Wave("j")})(Wave("a"), Wave("__end__"))
    assert Reach(shape, {Wave("j")})(Wave("a"), Wave("j"))
    assert Reach(shape, {Wave("j")})(Wave("j"), Wave("__end__"))


def test_a_limit_of_the_run_chooses_nothing():
    world = begun("any")
    world.run.config = {"max_steps": 1}

    world.answer("b", {"output": 1})

    assert world.run.error.code == "run.step_limit"
    assert world.run.frontier.absorbed == set()
    assert [*world.run.frontier.waves] == [Wave("j")]


def test_first_lets_be_what_leads_to_no_end():
    """A node whose way out is a back edge alone goes on in its loop."""
    edges = [
        ("__start__", "a"), ("a", "e"), ("e:again", "x"), ("e:done", "__end__"), ("x", "e"), ("x:error", "f"),
        ("__start__", "x"), ("__start__", "f"),
    ]  # fmt: skip
    nodes = {"a": task(), "e": route("done", ("false", "again")), "x": task(join="any"), "f": task(join="first")}
    world = World(graph_of(document(nodes, edges)))

    world.start()

    assert asked(world) == ["a", "f", "x"]


def test_what_is_ended_in_the_moment_it_comes_absorbs_nothing():
    edges = [
        ("__start__", "b"), ("__start__", "j"), ("b", "j"), ("__start__", "c"), ("c", "b"), ("j", "z"),
        ("c", "z"), ("z", "__end__"),
    ]  # fmt: skip
    nodes = {"b": task(join="any"), "c": task(), "j": task(join="first"), "z": task()}
    world = World(graph_of(document(nodes, edges)))

    world.start()

    assert asked(world) == ["c", "j"]
    assert world.run.frontier.absorbed == {Wave("j")}
    assert world.run.frontier.blockers == {Wave("j"): 1}


@pytest.mark.parametrize("join", ["any", "first"])
def test_what_a_limit_holds_back_is_chosen_later_no_sooner_than_all_of_it_fits(join):
    edges = [*split("__start__", "ab"), *split("a", "xy"), ("b", "__end__"), ("x", "__end__"), ("y", "__end__")]
    nodes = {"a": task(), "b": task(), "x": task(join=join), "y": task(join=join)}
    world = World(graph_of(document(nodes, edges)))
    world.start(config={"max_tasks": 3})
    world.send(next(name for name, task in world.run.tasks.items() if task.node == "b"))
    world.answer("a", {"output": 1})

    world.answer("b", {"output": 1})

    assert (world.status, world.run.error and world.run.error.code) == (RunStatus.FAILED, "run.task_limit")
    assert (open_nodes(world), sound(world)) == ([], True)
    world.fork(world.run.seq, config={"max_tasks": 4})
    assert asked(world) == ["x", "y"]


def split(node: str, targets: str) -> list[tuple[str, str]]:
    return [(node, target) for target in targets]
