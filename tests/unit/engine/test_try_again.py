"""A retry of a run enters again exactly what had failed."""

from __future__ import annotations

from engine.model import Kind, RunStatus
from tests.builders import chain, document, graph_of, writes
from tests.fakes import ready
from tests.simulation.world import World

STATE = {"cap": {"type": "integer", "reducer": "add", "maximum": 4}, "items": {"type": "array", "default": ["p", "q"]}}
NODES = {"s": {"type": "send", "items_key": "items", "target_node": "b"}, "b": writes(cap=3)}


def test_a_send_whose_items_do_not_merge_is_entered_again() -> None:
    world = World(graph_of(document(NODES, chain("s"), STATE)))
    world.start()
    assert world.status is RunStatus.FAILED

    ready(world.travel.retry(world.head.id, {}, "test"))

    failed = [commit for commit in world.commits() if commit.kind is Kind.FAILURE]
    assert world.status is RunStatus.FAILED
    assert [(commit.attempt, commit.error and commit.error.code) for commit in failed] == [
        (1, "state.invalid"), (2, "state.invalid"),
    ]  # fmt: skip
