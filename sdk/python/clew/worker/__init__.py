"""The worker kit: functions that work for the nodes of workflows, over any transport."""

from __future__ import annotations

from clew.worker.answer import Answer, Cancelled, TaskError
from clew.worker.task import Task
from clew.worker.worker import Worker

__all__ = ["Answer", "Cancelled", "Task", "TaskError", "Worker"]
