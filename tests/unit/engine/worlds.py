"""Runs that a test plays by hand, step by step."""

from __future__ import annotations

from typing import Any

from engine.verify import verify_rows
from tests.builders import document, graph_of
from tests.simulation.world import World


def begun(nodes: dict[str, Any], edges: list[Any], **start: Any) -> World:
    """A run of a workflow of these nodes and edges that has started."""
    world = World(graph_of(document(nodes, edges)))
    world.start(**start)
    return world


def open_nodes(world: World) -> list[str]:
    """The nodes of the open tasks, in the order in which they were opened."""
    return [open_task.node for open_task in world.run.frontier.tasks.values()]


def sound(world: World) -> bool:
    """Whether the rows of the run say what the language says."""
    return verify_rows(world.head, world.graphs, 1, world.rows()).problems == []
