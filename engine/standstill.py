"""Standstill: whether interrupts of a run are open and nothing else of it can go on (language 3.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from engine.limits import Gate, LimitReason
from engine.model import TaskId, TaskStatus
from engine.progress import Progress
from engine.run import Run

_IN_LINE = frozenset({LimitReason.CONCURRENCY_KEY, LimitReason.MAX_CONCURRENCY})


def only_waits(run: Run, closed: Sequence[TaskId] = (), asks: TaskId | None = None) -> bool:
    """Whether interrupts are open and nothing else can go on, once these tasks are closed and one asks more.
    A send waits with its items, so does an item that has to wait until another is done, and what has to wait until
    another task of the run gives up its place."""
    still = len(run.interrupts) + (asks is not None)
    still -= sum(1 for task_id in closed if run.status_of(task_id) is TaskStatus.INTERRUPTED)
    if still <= 0:
        return False
    over = [run.tasks[task_id] for task_id in closed if task_id in run.tasks]
    left = len(run.tasks) - len(over)
    ended = Counter(task.call for task in over if task.call is not None)
    gone = {task.id for task in over}
    for call, found in run.calls.items():
        if call not in gone and found.open > ended[call]:
            left -= 1 + (0 if ended[call] else len(run.held.get(call, ())))
    for nest, frame in run.frames.nests.items():
        if nest not in gone and not run.frames[frame].frontier.tasks.keys() <= gone:
            left -= 1
    if still >= left:
        return still == left
    ending = sum(run.status_of(task_id) is TaskStatus.RUNNING for task_id in {*closed, asks} if task_id is not None)
    return run.in_flight <= ending and still == left - len(kept_out(run, gone))


def kept_out(run: Run, gone: Collection[TaskId] = ()) -> set[TaskId]:
    """The open tasks that cannot go on before other open tasks of the run are over, once some are gone: those that wait
    for a place where these have all there are, and what waits behind them."""
    known = {name: progress for name, progress in run.progress.items() if name not in gone}
    behind = Counter(gate.id for progress in known.values() for gate in _passed(progress))
    found: set[TaskId] = set()
    for name, progress in known.items():
        if any(behind[gate.id] >= gate.limit for gate in _before(progress)):
            found |= {name, *run.parked.get(name, ())}
    return {name for name in found if name in known and name not in run.frames.nests}


def _in_line(progress: Progress) -> bool:
    return progress.status is TaskStatus.WAITING and progress.reason in _IN_LINE


def _waits_for_room(progress: Progress) -> bool:
    return not progress.has_room and progress.room is not None and progress.room.bounds


def _before(progress: Progress) -> Iterator[Gate]:
    """The gate that a task in line waits before."""
    if not _in_line(progress):
        return
    if _waits_for_room(progress) and progress.room is not None:
        yield from progress.room.gates[progress.passed :][:1]
    else:
        yield from (gate for gate in progress.wants if gate.reason == progress.reason)


def _passed(progress: Progress) -> Iterator[Gate]:
    """What a task is behind: its room, and what it has passed of what it is in line for."""
    if progress.has_room and progress.room is not None:
        yield from progress.room.gates
    if not _in_line(progress):
        return
    if _waits_for_room(progress) and progress.room is not None:
        yield from progress.room.gates[: progress.passed]
    elif progress.reason == LimitReason.MAX_CONCURRENCY:  # an attempt has one key at most, and passes it first
        yield from (gate for gate in progress.wants if gate.reason is LimitReason.CONCURRENCY_KEY)
