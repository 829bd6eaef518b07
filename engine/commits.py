"""Commits in the making: how a task's end is written down, and what status the run has after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from engine.activation import Activated, follow
from engine.address import origin_of
from engine.fold import Entry
from engine.frame import is_inside
from engine.frontier import UNCHANGED, Counts
from engine.gates import gate_after
from engine.graph import BROKEN
from engine.model import (
    NO_USAGE,
    Arrival,
    Call,
    Cancelled,
    Commit,
    ErrorInfo,
    Kind,
    Ref,
    RunStatus,
    Task,
    TaskId,
    TaskStatus,
    Updates,
    Usage,
    Wave,
    make_ref,
)
from engine.progress import Progress
from engine.run import Run
from engine.standstill import only_waits
from engine.state import State, changed, normalised
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A commit, with what planning it has worked out: the keys it changes, and the counts of waiting waves, which stay
    as they are where nothing is said, and have to be made anew where they are None."""

    commit: Commit
    fresh: State | None = None
    blockers: Counts = UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a task ended: its updates, the handles it leaves by or the nodes that `goto` names instead, and what is
    recorded of it."""

    updates: Updates = ()
    handles: tuple[str | None, ...] = (None,)
    chosen: tuple[str, ...] | None = None
    handle: str | None = None
    answer: Any = None
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    worker: str | None = None
    goto: tuple[str, ...] | None = None
    status: TaskStatus = TaskStatus.COMPLETED
    reused: bool = False
    """Whether the answer was taken over from another line; `input_hash` is that of its input."""
    by_human: bool = False
    """Whether people had a part in that."""
    input_hash: str | None = None
    actor: str = "engine"


def next_ref(run: Run) -> Ref:
    return make_ref(run.key, run.seq + 1)


def finish(run: Run, task: Task, result: Result, now: int) -> Step:
    """The commit of a task that is done. Raises NodeFailure where its updates do not fit the state."""
    updates = () if task.call is not None and result.error else result.updates
    frame = run.frames.of(task)
    writes = normalised(frame.graph, updates, origin_of(run, task)) if updates else ()
    fresh = changed(frame.graph, frame.history.view(task), writes) if writes else {}
    if task.call is not None:
        return _finish_item(run, task, result, writes, fresh, now)
    return commit_task(run, task, result, writes, fresh, task.level, task.causes, now)


def _finish_item(run: Run, task: Task, result: Result, writes: Updates, fresh: State, now: int) -> Step:
    commit = record(run, task, result, writes, task.level, task.causes, Kind.ITEM, now, closed=(task.id,))
    return Step(commit, fresh)


def commit_task(
    run: Run,
    task: Task,
    result: Result,
    writes: Updates,
    fresh: State,
    level: int,
    causes: tuple[Ref, ...],
    now: int,
) -> Step:
    """The `node` commit with which a task ends, and everything it activates."""
    frame = run.frames.of(task)
    closed = (task.id,) if not run.is_busy(task.id) else with_all_of_it(run, task.id)
    order = (level, run.node_of(task).position, -1)
    coming = Entry(
        next_ref(run),
        frame.history.clock + 1,
        order,
        {},
        causes=causes,
        edges=task.edges,
        task_id=task.id,
        node=task.node,
    )
    if task.node in frame.stops.after:
        gate = gate_after(task, coming.ref, level, result.handles, result.goto)
        after = Activated((gate,), (), (), UNCHANGED)
    else:
        after = follow(run, task, coming, result.handles, result.goto, breaks=result.handle == BROKEN)
    ended = all_of(run, after.ended)
    commit = record(
        run, task, result, writes, level, causes, Kind.NODE, now,
        closed=(*closed, *ended), opened=after.opened, waiting=after.waiting, joined=after.joined,
        absorbed=after.absorbed, cancelled=cancelled(run, ended),
    )  # fmt: skip
    return Step(commit, fresh, after.blockers)


def cancelled(run: Run, ended: Sequence[TaskId]) -> tuple[Cancelled, ...]:
    """What is to be known of open tasks that somebody else ends."""
    found = [(task, run.progress[task.id]) for name in ended if (task := run.tasks[name]).gate is None]
    return tuple(
        Cancelled(
            task=task, created_at=seen.created_at, started_at=seen.started_at, attempt=seen.attempt, worker=seen.worker
        )
        for task, seen in found
    )


def all_of(run: Run, ended: Sequence[TaskId]) -> tuple[TaskId, ...]:
    """Tasks that end, with all that ends with them."""
    return tuple(dict.fromkeys(name for one in ended for name in with_all_of_it(run, one)))


def with_all_of_it(run: Run, task: TaskId) -> tuple[TaskId, ...]:
    """A task and what is open of its items, or of the frame that it runs, which ends with it."""
    items = [one.id for one in run.tasks.values() if one.call == task]
    found = [task, *items]
    for name in (task, *items):
        if (frame := run.frames.nests.get(name)) is not None:
            found += [one.id for one in run.tasks.values() if is_inside(one.wave.frame, frame)]
    return tuple(found)


class Delta(TypedDict, total=False):
    """How a commit changes the frontier; what is left out is empty."""

    closed: tuple[TaskId, ...]
    opened: tuple[Task, ...]
    waiting: tuple[Arrival, ...]
    joined: tuple[Wave, ...]
    absorbed: tuple[Wave, ...]
    cancelled: tuple[Cancelled, ...]
    calls: tuple[tuple[TaskId, Call], ...]


def record(
    run: Run,
    task: Task,
    result: Result,
    writes: Updates,
    level: int | None,
    causes: tuple[Ref, ...],
    kind: Kind,
    now: int,
    **delta: Unpack[Delta],
) -> Commit:
    """A commit of a task, with the run's status after it."""
    progress = run.progress.get(task.id) or Progress(created_at=now)
    return Commit(
        ref=next_ref(run), kind=kind, at=now, branch=run.branch, parent=run.head, task=task, level=level,
        writes=writes, causes=causes, chosen=result.chosen, handle=result.handle, answer=result.answer,
        error=result.error, usage=result.usage.plus(progress.unpaid), spent=progress.spent, attempt=progress.attempt,
        worker=result.worker, created_at=progress.created_at, started_at=progress.started_at,
        input_hash=result.input_hash or progress.input_hash, reused=result.reused,
        by_human=result.by_human,
        status=status_after(run, delta.get("closed", ()), len(delta.get("opened", ()))),
        task_status=result.status, actor=result.actor, epoch=run.epoch, **delta,
    )  # fmt: skip


def status_after(
    run: Run, closed: Sequence[TaskId], opened: int, *, asks: TaskId | None = None, failing: bool = False
) -> RunStatus:
    """The run's status once these tasks are closed, so many opened, and one has asked a person."""
    if failing or run.failing:
        rest = (*closed, asks) if asks is not None else closed
        left = run.in_flight - sum(1 for task_id in rest if run.status_of(task_id) is TaskStatus.RUNNING)
        return RunStatus.RUNNING if left > 0 else RunStatus.FAILED
    if not opened and only_waits(run, closed, asks):
        return RunStatus.INTERRUPTED
    return RunStatus.RUNNING
