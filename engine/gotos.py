"""Answers that name the next nodes: which may be named, and in which rounds these are activated (language 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.address import address_of, generation_of, place_of
from engine.errors import NodeFailure
from engine.graph import Graph
from engine.model import END, GOTO, Arrival, Ref, Task, Wave
from engine.topology import Topology


def check_goto(graph: Graph, task: Task, names: Sequence[str]) -> None:
    """Refuse an answer to `task` that names these nodes. Raises NodeFailure."""
    node = graph.nodes[task.node]
    if task.call is not None:
        raise NodeFailure("goto.not_allowed", f"'{node.name}' ran for an item of a send, which leads nowhere else")
    for name in names:
        if name != END and name not in graph.nodes:
            raise NodeFailure("goto.unknown_node", f"'goto' names '{name[:80]}', which is no node of the workflow")
        if node.goto is not None and name not in (END, *node.goto):
            allowed = ", ".join(node.goto) or "no node"
            raise NodeFailure("goto.not_allowed", f"'{node.name}' may go to {allowed}, and not to '{name}'")


def goto_arrivals(shape: Topology, task: Task, cause: Ref, names: Sequence[str]) -> list[Arrival]:
    """What a task sends to the nodes that its answer names; each of them activates its node at once.

    A node ahead keeps the rounds, one behind in a common loop is met in that loop's next round. Where no edges lead,
    a generation begins, which is one for all that this answer names.
    """
    return [Arrival(GOTO, cause, _wave(shape, task, name), place_of(task, GOTO)) for name in names if name != END]


def _wave(shape: Topology, task: Task, name: str) -> Wave:
    here = task.wave
    rounds = shape.rounds_to(here.node, here.rounds, name)
    if rounds is None:
        return Wave(name, shape.first_rounds(name), here.frame, generation_of(address_of(task)))
    return Wave(name, rounds, here.frame, here.generation)
