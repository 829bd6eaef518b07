"""Where an attempt is, as every note about it says."""

from __future__ import annotations

from typing import Any

from engine.frame import names_of
from engine.model import Task
from engine.outbox import Work


def place_json(work: Work) -> dict[str, Any]:
    """The place of an attempt that is handed to the outbox."""
    return _json(work.attempt, work.node, work.ns, work.request.index)


def place_of_task(task: Task, attempt: int) -> dict[str, Any]:
    """The place of an attempt of an open task."""
    return _json(attempt, task.node, tuple(names_of(task.wave.frame)), task.index)


def _json(attempt: int, node: str, ns: tuple[str, ...], index: int | None) -> dict[str, Any]:
    around = {"ns": ns} if ns else {}
    return {"attempt": attempt, "node": node, **around, **({} if index is None else {"index": index})}
