"""Workers as they are shown, and what they say of themselves."""

from __future__ import annotations

from typing import Any

from dispatch._beats import Beat, promise_of
from engine.driver.rebind import Moved
from engine.model import RunId
from engine.outbox import Standing
from engine.ports import WorkerRow
from engine.times import rfc3339

SILENT = Beat(at=0)


def worker_json(row: WorkerRow, standing: Standing, beat: Beat | None) -> dict[str, Any]:
    """A worker, without what is write-only."""
    promise, said = promise_of(row), beat or SILENT
    return {
        "id": row.id,
        "protocol": row.protocol,
        "url": row.url,
        "tags": list(row.tags),
        "max_concurrent": row.max_concurrent,
        "model": row.model,
        "health": row.health if promise is None else {"heartbeat_ms": promise},
        "status": row.status,
        "metadata": row.metadata,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "in_flight": standing.in_flight,
        "circuit": standing.circuit,
        "away": standing.away is not None,
        "reason": standing.away,
        "last_seen": rfc3339(said.at or None),
        "reported_status": said.status,
        "inventory": said.inventory,
        "resources": said.resources,
        "metrics": said.metrics,
    }


def beaten_json(row: WorkerRow) -> dict[str, Any]:
    """The answer to a heartbeat."""
    return {"accepted": True, "status": row.status, "heartbeat_ms": promise_of(row)}


def moved_json(run_id: RunId, moved: Moved) -> dict[str, Any]:
    """A task that was taken from a worker."""
    return {"run_id": run_id, "task_id": moved.task_id, "node": moved.node, "worker_id": moved.worker}
