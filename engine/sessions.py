"""Sessions as they are kept: which runs began in one, which of them last, and which wait for their turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.line import Order, order_of
from engine.session import RANKS, SessionRow

if TYPE_CHECKING:
    from engine.model import RunHead

SessionPage = tuple[tuple[SessionRow, ...], str | None]
"""A page of a list, and the cursor of the next one (None: this was the last)."""


def turn_of(head: RunHead) -> tuple[int, Order]:
    """The place of a run in the line of its session; the smallest goes first."""
    assert head.seat is not None
    since = max(head.created_at, head.start_at or head.created_at)
    rank = RANKS[head.seat.waits] if head.seat.waits is not None else 0
    return -rank, order_of(head.priority, since, head.key)


class Sessions(Protocol):
    """The part of a store that knows sessions. A run of which no more than the beginning is there takes part in none;
    its place stays taken."""

    async def session(self, session_id: str) -> SessionRow | None: ...
    async def sessions(self, limit: int, cursor: str | None) -> SessionPage:
        """Those in which something happened last come first. Raises Invalid for a cursor that is none of ours."""

    async def next_place(self, session_id: str) -> int:
        """The place of the next run that begins in a session: above all that are taken."""

    async def has_place(self, session_id: str, place: int) -> bool:
        """Whether a place is taken."""

    async def last_run(self, session_id: str, workflow_id: str | None = None) -> RunHead | None:
        """The run that began last in a session; of a workflow, where one is named."""

    async def session_runs(self, session_id: str, before: int | None, limit: int) -> list[RunHead]:
        """At most `limit` runs that have begun in a session, the last one first; those before a place, if given."""

    async def next_queued(self, session_id: str, now: int) -> RunHead | None:
        """The run that is next to begin of those that wait and whose time has come: the first by `turn_of`."""

    async def waiting_sessions(self) -> list[str]:
        """The sessions in which runs wait for their turn."""

    async def delete_session(self, session_id: str) -> None:
        """Delete a session with all its runs, in one transaction. Raises NotFound; Conflict `session.active` while one
        of them is not over, `run.has_forks` while others live that were forked from one."""
