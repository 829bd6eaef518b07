"""How the runs of a workflow fare: how many there are in each status, and how the last ones went."""

from __future__ import annotations

from typing import Any

from engine.filters import RunFilter
from engine.model import RunHead, RunStatus
from engine.ports import RecentFilter, Store
from engine.times import rfc3339

RECENT = 100
"""So many of the runs that ended last are looked at."""
PAGE = 20
"""So many of them at once: a row may have a large input."""
ENDED_BY_ITSELF = (RunStatus.COMPLETED, RunStatus.FAILED)


async def statistics(store: Store, workflow_id: str) -> dict[str, Any]:
    """The counts of a workflow's runs over all its versions, and the figures of those that ended last."""
    counts = {
        status.value: await store.count_recent(RecentFilter(workflow_id=workflow_id, status=(status,)))
        for status in RunStatus
    }
    newest = await store.runs(RunFilter(workflow_id=workflow_id), 1, None)
    return {
        "workflow_id": workflow_id,
        "runs": sum(counts.values()),
        "by_status": counts,
        "last_run_at": rfc3339(newest.items[0].created_at) if newest.items else None,
        "recent": _figures(await _recent(store, workflow_id)),
    }


async def _recent(store: Store, workflow_id: str) -> list[tuple[RunStatus, int, int]]:
    """The status, the start and the end of those that ended by themselves last, the last one first."""
    found: list[tuple[RunStatus, int, int]] = []
    where, cursor = RecentFilter(workflow_id=workflow_id, status=ENDED_BY_ITSELF), None
    while len(found) < RECENT:
        page = await store.recent_runs(where, PAGE, cursor)
        found += map(_span, page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _span(head: RunHead) -> tuple[RunStatus, int, int]:
    return head.status, head.created_at, head.changed_at


def _figures(spans: list[tuple[RunStatus, int, int]]) -> dict[str, Any]:
    lasted = sorted(end - start for status, start, end in spans if status is RunStatus.COMPLETED)
    return {
        "runs": len(spans),
        "since": rfc3339(min((end for _, _, end in spans), default=None)),
        "success_rate": round(len(lasted) / len(spans), 4) if spans else None,
        "duration_ms": {"p50": _quantile(lasted, 0.5), "p95": _quantile(lasted, 0.95), "max": lasted[-1]}
        if lasted
        else None,
    }


def _quantile(ordered: list[int], share: float) -> int:
    """The smallest value that is not below this share of them (nearest rank)."""
    return ordered[max(0, -(-round(share * 100 * len(ordered)) // 100) - 1)]
