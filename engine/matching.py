"""What the filters of lists mean, as conditions on values; stores say the same in their own language."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from engine.holds import Hold
from engine.model import RunHead
from engine.ports import RecentFilter, RunFilter, WorkflowRow


def lowered(text: str) -> str:
    """Lower case as SQLite sees it: of ASCII letters only."""
    return text.encode().lower().decode()


def run_matches(head: RunHead, where: RunFilter) -> bool:
    """Whether a list by this filter holds the run. None holds one of which no more than the beginning is there."""
    return (
        head.hold is not Hold.ANCESTOR
        and (not where.status or head.status in where.status)
        and where.workflow_id in (None, head.workflow_id)
        and (where.parent_id is None or where.parent_id == head.parent_id)
        and (where.session_id is None or (head.seat is not None and head.seat.session == where.session_id))
        and (where.created_after is None or head.created_at > where.created_after)
        and (where.created_before is None or head.created_at < where.created_before)
        and (where.tag is None or where.tag in head.tags)
        and all(_holds(head.metadata, key, value) for key, value in where.metadata.items())
        and (not where.q or _contains(where.q, head.id, head.workflow_id))
    )


def recent_matches(head: RunHead, where: RecentFilter, asked: Collection[str]) -> bool:
    """Whether a list by last changes and this filter holds the run, whose open interrupts are of these kinds."""
    code = None if head.error is None else head.error.code
    return (
        head.hold is not Hold.ANCESTOR
        and (not where.status or head.status in where.status)
        and where.workflow_id in (None, head.workflow_id)
        and (where.session_id is None or (head.seat is not None and head.seat.session == where.session_id))
        and (where.since is None or head.changed_at >= where.since)
        and where.code in (None, code)
        and (where.but_code is None or where.but_code != code)
        and (where.asks_only is None or set(asked) == {where.asks_only})
        and (where.asks_but is None or set(asked) != {where.asks_but})
    )


def workflow_matches(row: WorkflowRow, q: str | None, tag: str | None, status: str | None) -> bool:
    """Whether a list by these filters holds the newest version of a workflow."""
    return (
        (row.status != "archived" if status is None else row.status == status)
        and (tag is None or tag in row.tags)
        and (not q or _contains(q, row.id, row.name or ""))
    )


def _contains(q: str, *texts: str) -> bool:
    return any(lowered(q) in lowered(text) for text in texts)


def _holds(described: Any, key: str, value: str) -> bool:
    if not isinstance(described, dict) or key not in described:
        return False
    match described[key]:
        case None:
            return value == "null"
        case bool() as found:
            return value == str(found).lower()
        case str() | int() | float() as found:
            return value == str(found)
        case _:
            return False
