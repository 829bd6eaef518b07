"""A run that is to stop at its next checkpoint: workers finish what they hold, and nothing else begins until somebody
lets it (language 3.5)."""

from __future__ import annotations

from engine.commits import Step, next_ref
from engine.frame import nodes_of
from engine.gates import put_back, stops_in
from engine.model import NO_USAGE, TERMINAL, Commit, Kind, Task, TaskStatus
from engine.run import Run
from engine.values import replace

_NOT_BEGUN = frozenset({TaskStatus.WAITING, TaskStatus.RETRYING})


def stop(run: Run, now: int, actor: str) -> Step | None:
    """Have a run stop: all that is activated from now on is held back as by a breakpoint before it. The commit that
    puts the same in place of what no worker holds, if there is any. What an agent or a fan-out is in the middle of is
    finished first."""
    if run.status in TERMINAL or run.failing:
        return None
    begin(run)
    left = [task for task in run.tasks.values() if _can_wait(run, task)]
    if not left:
        return None
    usage = NO_USAGE
    for task in left:
        usage = usage.plus(run.progress[task.id].unpaid)
    commit = Commit(
        ref=next_ref(run), kind=Kind.INTERRUPT, at=now, branch=run.branch, parent=run.head,
        closed=tuple(task.id for task in left), opened=tuple(put_back(task, run.seq + 1) for task in left), usage=usage,
        actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, None)


def begin(run: Run) -> None:
    """Have all be held back that is activated from now on."""
    for frame in run.frames.by_id.values():
        frame.stops = replace(frame.stops, everywhere=True)


def is_stopping(run: Run) -> bool:
    """Whether nothing begins in a run any more."""
    return run.frames.root.stops.everywhere


def go_on(run: Run) -> None:
    """Have a run hold back no more than its breakpoints say; what it holds back already waits until it is passed."""
    for frame in run.frames.by_id.values():
        frame.stops = stops_in(run.graph, run.stops, nodes_of(frame.id))


def _can_wait(run: Run, task: Task) -> bool:
    """Whether a task can be activated anew later, and nothing of it is lost. What is ready is on its way to a worker:
    that it is still here is a matter of moments, and after a crash a worker may hold it already."""
    progress = run.progress[task.id]
    if task.gate is not None or task.call is not None or run.is_busy(task.id) or progress.requests:
        return False
    return progress.status in _NOT_BEGUN
