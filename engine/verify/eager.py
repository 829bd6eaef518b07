"""Nodes that do not wait for all that can come, as the checker sees them: what they take, and what is in vain then."""

from __future__ import annotations

from collections.abc import Iterable

from engine.gates import is_after
from engine.graph import Graph
from engine.model import Arrival, Commit, Task, Wave

NEEDED = {"any": 1, "first": 1}


def enough(graph: Graph, task: Task) -> int | None:
    """How many edges activate a task's node, whatever may still come."""
    if task.place or task.call is not None or is_after(task):
        return None
    node = graph.nodes[task.node]
    return NEEDED.get(node.join, node.quorum)


def taken(graph: Graph, task: Task, came: Iterable[Arrival]) -> list[Arrival]:
    """Those of the arrivals at its wave that activate a task: no more than are needed."""
    found, needed = list[Arrival](), enough(graph, task)
    for arrival in came:
        if needed is None or len({one.edge for one in found}) < needed:
            found.append(arrival)
    return found


def closing(graph: Graph, commit: Commit) -> set[Wave]:
    """The waves that take no more arrivals once a commit has activated what it does."""
    counts = ((task, enough(graph, task)) for task in commit.opened)
    return {task.wave for task, needed in counts if needed is not None and len(set(task.edges)) >= needed}


def in_vain(graph: Graph, commit: Commit) -> set[str]:
    """The nodes whose work leads nowhere but to a `first` that a commit activates."""
    return {name for wave in commit.absorbed for name in graph.in_vain_after(wave.node)}


def ends_right(graph: Graph, commit: Commit, open_before: dict[str, Task], closed: set[Wave]) -> bool:
    """Whether a commit closes the waves that it must, and ends none but its own task and what is in vain."""
    vain, own = in_vain(graph, commit), commit.task.id if commit.task is not None else None
    ended = {one.task.id for one in commit.cancelled}
    others = [open_before[name] for name in commit.closed if name in open_before and name != own]
    calls = {own, *ended}
    right = all(one.id in ended or one.call in calls or one.gate is not None for one in others)
    gone = [one.task for one in commit.cancelled]
    right &= all((one.node in vain or one.call in calls) and one == open_before.get(one.id) for one in gone)
    right &= all(one.node in vain for one in others if one.gate is not None)
    emptied = set(commit.joined) - {task.wave for task in commit.opened}
    return right and set(commit.absorbed) == closing(graph, commit) - closed and all(w.node in vain for w in emptied)
