"""How long a task waits for a worker to take it: the time is kept with the note that it waits."""

from __future__ import annotations

from engine.driver.timers import Timers
from engine.driver.turn import Turn
from engine.limits import LIMITED
from engine.model import ErrorInfo, TaskId, TaskStatus
from engine.run import Run

UNSERVED = "unserved"


def wait(turn: Turn, run: Run, task_id: TaskId, timers: Timers) -> dict[str, int]:
    """Have a task that waits given up in time; what the note about it says of that. The time of an attempt is counted
    from when it first waited: a worker that cannot be reached in between does not begin it anew."""
    progress, key = run.progress[task_id], run.key
    patience = run.node_of(run.tasks[task_id]).wait_timeout_ms
    if patience is None or progress.reason in LIMITED:  # its turn is no worker's fault
        return {}
    until = progress.wait_until = progress.wait_until or turn.now + patience
    turn.effects.append(lambda: timers.set(until, key, task_id, UNSERVED))
    return {"until": until}


def gave_up(run: Run, task_id: TaskId, kind: str, now: int) -> ErrorInfo | None:
    """The error of a task that no worker took in its time; None where it is not so."""
    progress, task = run.progress[task_id], run.tasks[task_id]
    waits = progress.status is TaskStatus.WAITING and progress.wait_until is not None and progress.wait_until <= now
    if kind != UNSERVED or not waits or run.failing or progress.reason in LIMITED:
        return None
    patience = run.node_of(task).wait_timeout_ms
    return ErrorInfo(
        code="worker.none",
        message=f"no worker took the task within {patience} ms: {progress.reason}",
        node=task.node,
        task_id=task_id,
        attempt=progress.attempt,
        retryable=False,
    )
