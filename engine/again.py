"""Again: what a retry of a failed run has entered once more (language 3.3)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from engine import agenda
from engine.model import Commit, TaskId, TaskStatus
from engine.progress import Progress

if TYPE_CHECKING:
    from engine.run import Run


def try_again(run: Run, commit: Commit) -> None:
    """Have what had failed, and what had been waiting for a worker meanwhile, entered again. A run that fails gives up
    the rooms of its tasks: on a retry they take their turn for them anew, and what had asked somebody asks anew."""
    run.error = run.limit = None
    run.limits = {**run.limits, **(commit.limits or {})}
    run.parked.clear()
    again = (held := set[TaskId]().union(*run.held.values())).union(run.ready, agenda.waiting_for_others(run))
    for task_id, progress in run.progress.items():
        progress.has_room, progress.passed = False, 0
        if progress.status is TaskStatus.FAILED:
            progress.begin_again(commit.seq)
        elif progress.status is TaskStatus.INTERRUPTED and agenda.is_bounded(run, task_id):
            _ask_anew(run, progress, commit)
        elif progress.status not in (TaskStatus.PENDING, TaskStatus.WAITING) or task_id in held:
            continue
        progress.retry(commit.seq, commit.at)
        run.set_status(task_id, TaskStatus.PENDING)
        if task_id not in again:
            run.ready.append(task_id)
    agenda.line_up(run, [task for task, frame in run.frames.nests.items() if not run.frames[frame].ended])
    _in_order_of_activation(run)


def _in_order_of_activation(run: Run) -> None:
    """What had been next already stands before the rest otherwise, and what that is differs after a restart."""
    turns = {task_id: turn for turn, task_id in enumerate(run.progress)}
    run.ready = deque(sorted(turns.keys() & set(run.ready), key=turns.__getitem__))


def asks_anew(run: Run) -> bool:
    """Whether somebody is asked anew by a retry of a run."""
    asked = (name for name, one in run.progress.items() if one.status is TaskStatus.INTERRUPTED)
    return any(agenda.is_bounded(run, name) for name in asked)


def _ask_anew(run: Run, progress: Progress, commit: Commit) -> None:
    """Withdraw the interrupt of a node that is bounded: it asks again once it has its room."""
    if progress.interrupt is not None:
        run.interrupts.pop(progress.interrupt, None)
    progress.interrupt, progress.failed_by, progress.since = None, None, commit.seq
