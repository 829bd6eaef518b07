"""Which worker an open task waits for, as people see it."""

from __future__ import annotations

from typing import Any

from engine.model import Task, TaskStatus
from engine.progress import TIMER
from engine.run import Run


def wants_json(run: Run, task: Task) -> dict[str, Any] | None:
    """What the worker has to have that a task waits for; None where it waits for none."""
    progress, spec = run.progress[task.id], run.node_of(task).spec
    if progress.status is not TaskStatus.WAITING or progress.reason in (None, TIMER) or not hasattr(spec, "tags"):
        return None
    return {"tags": list(spec.tags), "worker": spec.worker, "protocol": spec.protocol}
