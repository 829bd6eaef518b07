"""The JSON shapes of interrupts: in the inbox, and as they stand in a run or at a checkpoint."""

from __future__ import annotations

from typing import Any

from engine.excerpt import Excerpt
from engine.model import InterruptOpened, RunStatus
from engine.ports import InterruptRow
from engine.run import Run
from engine.times import rfc3339


def interrupt_json(row: InterruptRow, now: int, excerpt: Excerpt | None) -> dict[str, Any]:
    """An interrupt as the inbox shows it. Its age is the time that it has waited, or had by its end."""
    return {
        "id": row.id,
        "run_id": row.run_id,
        "task_id": row.task_id,
        "node": row.node,
        "kind": row.kind,
        "message": row.message,
        "schema": row.schema,
        "actions": row.actions,
        "status": row.status,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "resolved_at": rfc3339(row.resolved_at),
        "age_ms": max((now if row.resolved_at is None else row.resolved_at) - row.created_at, 0),
        "state": None if excerpt is None else excerpt.values,
        "state_cut": [] if excerpt is None else excerpt.cut,
        "assignee": row.assignee,
        "claimed_at": rfc3339(row.claimed_at),
    }


INTERRUPT_STATUS = {RunStatus.CANCELLED: "cancelled", RunStatus.FAILED: "suspended"}
"""What becomes of an open interrupt when its run ends otherwise; the fork of such a run opens it anew."""


def opened_json(run: Run, run_id: str, opened: InterruptOpened) -> dict[str, Any]:
    """An interrupt that was open at a checkpoint."""
    return {
        "id": opened.id,
        "run_id": run_id,
        "task_id": opened.task_id,
        "node": opened.node,
        "kind": opened.kind,
        "message": opened.message,
        "schema": opened.schema,
        "actions": opened.actions,
        "status": INTERRUPT_STATUS.get(run.status, "open"),
        "created_at": rfc3339(opened.created_at),
        "expires_at": rfc3339(opened.expires_at),
    }
