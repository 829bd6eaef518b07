"""Rooms: what bounds a task that goes on by itself, or by what others do, from its beginning to its end.

A subgraph has its room from the beginning of its first turn until it is done, tries included, an interrupt from when it
asks until that is answered or expires, a wait while it waits, and an item of a send from its beginning to its end.
What is inside a task goes on only while that has its room. Which tasks have one is durable; who waits for one is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.limits import NO_ROOM, Gate, LimitReason, Limits, Room, gates_of
from engine.model import Task
from engine.nodes._limits import LimitSpec, limits_for
from engine.run import Run
from engine.values import dataclass, replace
from engine.views import view_of


@dataclass(frozen=True, slots=True)
class MoveIn:
    """A task that begins once it has its room, which may be free."""

    task: Task
    room: Room


def around(run: Run, task: Task) -> Iterator[Task]:
    """The tasks that a task is inside of, outermost first."""
    frame = run.frames.of(task)
    if frame.task is not None:
        outer = run.tasks[frame.task]
        yield from around(run, outer)
        yield outer


def name_of(run: Run, task: Task) -> str:
    """The name that the node of a task has over all runs and versions."""
    return f"{run.frames.of(task).graph.workflow_id}:{task.node}"


def room_of(run: Run, task: Task) -> Room:
    """The room of a task, made of what it sees. Raises NodeFailure."""
    progress = run.progress[task.id]
    if progress.room is None:
        progress.room = _room(run, task)
    return progress.room


def _room(run: Run, task: Task) -> Room:
    if task.gate is not None or not (bounds := _bounds(run, task)):
        return NO_ROOM
    names: Mapping[str, Any] = view_of(run, task).names()
    found = [replace(limits_for(spec, names), node=name) for name, spec in bounds]
    gates = {gate.id: gate for limits in found for gate in gates_of(limits)}
    holders = tuple(around(run, task))
    return Room(
        gates=tuple(inside(run, holders, gate) for gate in sorted(gates.values(), key=_turn)),
        rates=tuple((limits.node, limits.rate) for limits in found if limits.rate is not None),
        within=_bounded(run, holders),
    )


def _turn(gate: Gate) -> tuple[bool, str]:
    """Keys before nodes, and of several keys all take the same first: no two wait for each other."""
    return gate.reason is LimitReason.MAX_CONCURRENCY, gate.name


def _bounds(run: Run, task: Task) -> list[tuple[str, LimitSpec]]:
    """What bounds a task, with the names of the nodes that say so: of an item its send, and then its own node."""
    caller = None if task.call is None else run.tasks[task.call]
    given = [] if caller is None else [(caller, run.node_of(caller).spec.each)]
    given.append((task, getattr(run.node_of(task).spec, "stay", None)))
    return [(name_of(run, one), spec) for one, spec in given if spec is not None]


def inside(run: Run, holders: Iterable[Task], gate: Gate) -> Gate:
    """A gate as it is inside of tasks, outermost first. What one of them is behind already does not keep out what is
    inside of it: of that, so many pass as a gate of its own lets through."""
    for holder in holders:
        if any(gate.id == held.id for held in room_of(run, holder).gates):
            gate = replace(gate, name=f"{gate.name}\0{holder.id}")
    return gate


def bounds_inside(run: Run, task: Task, limits: Limits) -> Limits:
    """The limits of an attempt, as they are inside of what its task is inside of, and of its task where that is an item
    with a room."""
    holders = (*around(run, task), task)
    limits = replace(limits, node=name_of(run, task), within=_bounded(run, holders))
    if limits.key is None:
        return limits
    key = next(gate for gate in gates_of(limits) if gate.reason is LimitReason.CONCURRENCY_KEY)
    return replace(limits, key=inside(run, holders, key).name)


def _bounded(run: Run, holders: Iterable[Task]) -> tuple[str, ...]:
    return tuple(holder.id for holder in holders if room_of(run, holder).bounds)


def needs_room(run: Run, task: Task) -> bool:
    """Whether a task has to wait for a room. Raises NodeFailure."""
    return not run.progress[task.id].has_room and room_of(run, task).bounds
