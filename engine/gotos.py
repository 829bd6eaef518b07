"""Answers that name the next nodes: which may be named, and in which rounds these are activated (language 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.address import address_of, generation_of, place_of
from engine.errors import NodeFailure
from engine.frontier import Frontier
from engine.graph import Graph
from engine.model import END, GOTO, Arrival, Ref, Task, Wave
from engine.reach import Reach
from engine.topology import Topology
from engine.values import replace


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


def goto_arrivals(shape: Topology, front: Frontier, task: Task, cause: Ref, names: Sequence[str]) -> list[Arrival]:
    """What a task sends to the nodes that its answer names; each of them activates its node at once.

    A node ahead keeps the rounds, one behind in a common loop is met in that loop's next round. Where no edges lead, or
    only to or past what takes no more arrivals, a generation begins, which is one for all that this answer names:
    whatever follows there has been activated before, or nothing waits for it any more.
    """
    reach = Reach(shape, front.absorbed)
    return [Arrival(GOTO, cause, _wave(reach, task, name), place_of(task, GOTO)) for name in names if name != END]


def _wave(reach: Reach, task: Task, name: str) -> Wave:
    here, shape = task.wave, reach.shape
    tries = (replace(here, node=name, rounds=rounds) for rounds in shape.rounds_to(here.node, here.rounds, name))
    found = next((wave for wave in tries if reach(here, wave)), None)
    if found is None or found in reach.absorbed:
        return Wave(name, shape.first_rounds(name), here.frame, generation_of(address_of(task)))
    return found
