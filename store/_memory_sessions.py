"""Sessions in memory."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import StaleCommit
from engine.holds import Hold
from engine.model import TERMINAL, RunHead
from engine.ports import Batch
from engine.session import SessionRow
from engine.sessions import SessionPage, turn_of
from engine.values import replace
from store import _cursor as cursors
from store._errors import no_session, session_active
from store._memory_catalogue import page_of


class MemorySessions:
    """Sessions by their ids; who is in one is told by the rows of runs."""

    def __init__(self) -> None:
        self._sessions: dict[str, SessionRow] = {}

    def _heads(self) -> Iterator[RunHead]:
        """The rows of all runs."""
        raise NotImplementedError

    async def delete_run(self, run_key: int) -> None:
        """See the port."""
        raise NotImplementedError

    def _members(self, session: str) -> list[tuple[int, RunHead]]:
        """The runs of a session that are there whole, with their places, 0 for none, the last one first."""
        found = [(h.seat.place or 0, h) for h in self._heads() if h.seat is not None and h.seat.session == session]
        whole = (item for item in found if item[1].hold is not Hold.ANCESTOR)
        return sorted(whole, key=lambda item: (item[0], item[1].key), reverse=True)

    def _places(self, session: str) -> set[int]:
        seats = (head.seat for head in self._heads() if head.seat is not None and head.seat.session == session)
        return {seat.place for seat in seats if seat.place is not None}

    async def session(self, session_id: str) -> SessionRow | None:
        return self._sessions.get(session_id)

    async def sessions(self, limit: int, cursor: str | None) -> SessionPage:
        after = cursors.read("sessions", cursor, int, str)
        page = page_of("sessions", self._sessions.values(), lambda row: (row.updated_at, row.id), limit, after)
        return page.items, page.next_cursor

    async def next_place(self, session_id: str) -> int:
        return max(self._places(session_id), default=0) + 1

    async def has_place(self, session_id: str, place: int) -> bool:
        return place in self._places(session_id)

    async def last_run(self, session_id: str, workflow_id: str | None = None) -> RunHead | None:
        began = (head for place, head in self._members(session_id) if place)
        return next((head for head in began if workflow_id in (None, head.workflow_id)), None)

    async def session_runs(self, session_id: str, before: int | None, limit: int) -> list[RunHead]:
        began = [(place, head) for place, head in self._members(session_id) if place]
        return [head for place, head in began if before is None or place < before][:limit]

    async def next_queued(self, session_id: str, now: int) -> RunHead | None:
        waiting = [head for _, head in self._members(session_id) if head.seat and head.seat.waits]
        due = [head for head in waiting if head.start_at is None or head.start_at <= now]
        return min(due, key=turn_of, default=None)

    async def waiting_sessions(self) -> list[str]:
        return sorted({head.seat.session for head in self._heads() if head.seat is not None and head.seat.waits})

    async def delete_session(self, session_id: str) -> None:
        members = [head for _, head in self._members(session_id)]
        if not members:
            raise no_session(session_id)
        if active := [head for head in members if head.status not in TERMINAL]:
            raise session_active(session_id, active[0])
        self._require_no_forks(members)
        for head in members:
            await self.delete_run(head.key)

    def _require_no_forks(self, members: list[RunHead]) -> None:
        """Raise Conflict where a run outside stands on one of these."""
        raise NotImplementedError

    def _check_seats(self, batch: Batch) -> None:
        """No two runs have one place."""
        seats = [head.seat for head in (*batch.created, *batch.seats.values()) if head.seat is not None]
        placed = [(seat.session, seat.place) for seat in seats if seat.place is not None]
        if len(set(placed)) < len(placed) or any(place in self._places(session) for session, place in placed):
            raise StaleCommit("another run has begun in the session")

    def _touch_sessions(self, batch: Batch) -> None:
        for name, at in batch.sessions.items():
            known = self._sessions.get(name, SessionRow(id=name, created_at=at, updated_at=at))
            self._sessions[name] = replace(known, updated_at=at)

    def _forget_session(self, gone: RunHead) -> None:
        """Forget the session of a run that is gone where it was the last one."""
        if gone.seat is not None and not self._members(gone.seat.session):
            self._sessions.pop(gone.seat.session, None)
