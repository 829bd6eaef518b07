"""Who has served a session: the same by its commits as they are made, and as they are read."""

from __future__ import annotations

from dataclasses import replace

from engine.brief import Brief
from engine.served import MOST_NODES, NAMED, Served
from tests.builders import chain, document, graph_of, task, writes
from tests.simulation.world import WORKER, World

NODES = {"a": task(), "n": writes(n=1), "b": task()}
STATE = {"n": {"type": "integer", "reducer": "add"}}


def played() -> World:
    """A run of two tasks, the second of which asks before it answers."""
    world = World(graph_of(document(NODES, chain("a", "n", "b"), STATE)))
    world.start()
    world.answer("a", {"output": 1})
    world.answer("b", {"interrupt": {"message": "?"}})
    return world


def read(world: World) -> Served:
    found = Served()
    for row in world.rows():
        if NAMED in row.body:
            found.recall(Brief(row.run_key, row.seq, row.kind, row.node, row.task_id, row.level, row.body))
    return found


def taken(world: World) -> Served:
    found = Served()
    for commit in world.commits():
        found.take(commit)
    return found


def test_what_is_read_is_what_was_taken_up():
    world = played()
    assert read(world).by_node == taken(world).by_node == {"a": WORKER, "b": WORKER}


def test_whoever_answered_for_another_run_has_not_served_the_session():
    found, (commit,) = Served(), [one for one in played().commits() if one.answer == {"output": 1}]
    found.take(replace(commit, cached=True))
    found.take(replace(commit, reused=True))
    assert found.by_node == {}


def test_who_has_served_the_node_comes_first_then_who_has_served_last():
    found, (commit,) = Served(), [one for one in played().commits() if one.answer == {"output": 1}]
    assert commit.task is not None
    for node, worker in (("a", "w1"), ("b", "w2"), ("c", "w3"), ("d", "w3")):
        found.take(replace(commit, worker=worker, task=replace(commit.task, wave=replace(commit.task.wave, node=node))))
    assert found.preferred("a") == ("w1", "w3", "w2")
    assert found.preferred("new") == ("w3", "w2", "w1")


def test_only_so_many_nodes_are_remembered():
    found, (commit,) = Served(), [one for one in played().commits() if one.answer == {"output": 1}]
    assert commit.task is not None
    for number in range(2 * MOST_NODES):
        found.take(replace(commit, task=replace(commit.task, wave=replace(commit.task.wave, node=f"n{number}"))))
    assert list(found.by_node) == [f"n{number}" for number in range(MOST_NODES, 2 * MOST_NODES)]
