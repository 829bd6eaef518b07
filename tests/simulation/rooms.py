"""Rooms in the simulation: nothing goes on that does not have its own, and no more have one than there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from engine.limits import ROOM, Gate, gates_of
from engine.model import TERMINAL, Task, TaskId
from engine.rooms import around, room_of
from engine.run import Run
from tests.simulation.fate import Violation
from tests.simulation.strangers import Strangers
from tests.simulation.world import World


def check_rooms(world: World, strangers: Strangers) -> None:
    """What goes on of a run has all the rooms that it needs, durably, and nobody has a place that another one has,
    unless there were rings."""
    run = world.run
    durable = {name for name, kind in world.store.due[world.head.key] if kind == ROOM}
    if run.status in TERMINAL:
        return _check_over(world, strangers, durable)
    have = {name for name, progress in run.progress.items() if progress.has_room}
    if have != durable & run.progress.keys() or durable - run.progress.keys():
        raise Violation(f"rooms have {sorted(have)}, and by what is durable {sorted(durable)}")
    for task in _going_on(world, run):
        without = [one.node for one in (*around(run, task), task) if one.id not in have and room_of(run, one).bounds]
        if without:
            raise Violation(f"'{task.node}' goes on, and {without} have no rooms")
    _check_nesting(run)
    behind = Counter[object]()
    for gate in (*_of_rooms(run), *_of_attempts(world), *strangers.gates()):
        behind[gate.id] += 1
        if behind[gate.id] > gate.limit and not world.rings:
            raise Violation(f"{behind[gate.id]} are behind {gate}")


def _check_over(world: World, strangers: Strangers, durable: set[TaskId]) -> None:
    """A run that is over has no rooms, and waits for none."""
    gates = world.outbox.gates
    left = {one.name for some in (*gates._behind.values(), gates._before) for one in some} - strangers.here.keys()
    if durable or left:
        raise Violation(f"the run is {world.status}, {sorted(left)} are at gates, {sorted(durable)} have rooms")


def _check_nesting(run: Run) -> None:
    """Nothing has to pass a gate that it is behind already, by what it is inside of."""
    for name, task in run.tasks.items():
        if (room := run.progress[name].room) is None:
            continue  # nobody has asked yet, and what it sees may be no valid state
        outer = {gate.id for one in around(run, task) for gate in room_of(run, one).gates}
        own = {gate.id for gate in room.gates}
        wants = {gate.id for gate in run.progress[name].wants}
        if (own & outer) or (wants & (outer | own)):
            raise Violation(f"'{task.node}' has to pass what it is behind: {(own | wants) & (outer | own)}")


def _going_on(world: World, run: Run) -> Iterator[Task]:
    """The tasks that workers have, people are asked by, or that wait for their time."""
    asks = {found.task_id for found in run.interrupts.values() if found.kind == "node"}
    for name, task in run.tasks.items():
        sleeps = run.progress[name].sleeps
        if name in world.outbox.given or sleeps or (name in asks and task.gate is None and room_of(run, task).bounds):
            yield task


def _of_rooms(run: Run) -> Iterator[Gate]:
    for name, progress in run.progress.items():
        if progress.has_room:
            yield from room_of(run, run.tasks[name]).gates


def _of_attempts(world: World) -> Iterator[Gate]:
    for work in world.outbox.given.values():
        yield from gates_of(work.limits)
