"""What people see of sessions: JSON shapes made from what is durable."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from engine import render
from engine.driver.reader import Reader
from engine.errors import Invalid, NotFound
from engine.model import RunHead, seq_of
from engine.ports import Page, RunFilter
from engine.session import SessionRow
from engine.times import rfc3339

NEWEST = 100
"""A session is shown with so many runs."""
PAGE = 20


class SessionReader:
    """Reads sessions, and their runs as `reader` shows them."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store = reader, reader.store

    async def sessions(self, limit: int, cursor: str | None) -> Page[dict[str, Any]]:
        """Those in which something happened last come first. Raises Invalid."""
        found, following = await self.store.sessions(limit, cursor)
        items = [_summary(row, await self.store.last_run(row.id)) for row in found]
        return Page(items=tuple(items), next_cursor=following)

    async def session(self, session_id: str) -> dict[str, Any]:
        """A session with its newest state and its newest runs. Raises NotFound."""
        row = await self._row(session_id)
        last = await self.store.last_run(row.id)
        runs = await self.reader.runs(RunFilter(session_id=row.id), NEWEST, None)
        state = {} if last is None else (await self.reader.as_seen(last)).history.shown()
        return {**_summary(row, last), "state": state, "runs": list(runs.items)}

    async def _row(self, session_id: str) -> SessionRow:
        row = await self.store.session(session_id)
        if row is None:
            raise NotFound(f"there is no session '{session_id[:80]}'")
        return row

    # ---- checkpoints

    async def checkpoints(
        self, session_id: str, *, node: str | None, state: bool, limit: int, cursor: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """The checkpoints of a session's runs, each on its current line: those of the run that began last first, the
        newest first; at most `limit`. The last item is `{"next_cursor": …}`."""
        row, (place, before) = await self._row(session_id), _parse(cursor)
        left, following = limit, None
        async for head in self._runs(row.id, place):
            at = head.seat.place if head.seat is not None else None
            if not left:
                following = f"{at}.0"
                break
            inner = str(before) if before and at == place else None
            async for shape in self.reader.checkpoints(
                head.id, node=node, branch=None, state=state, limit=left, cursor=inner
            ):
                if "next_cursor" not in shape:
                    left -= 1
                    yield shape
                elif shape["next_cursor"] is not None:
                    following = f"{at}.{shape['next_cursor']}"
            if following is not None:
                break
        yield {"next_cursor": following}

    async def _runs(self, session: str, first: int | None) -> AsyncIterator[RunHead]:
        """The runs that have begun in a session, the last one first; from a place on, if given."""
        before = None if first is None else first + 1
        while found := await self.store.session_runs(session, before, PAGE):
            for head in found:
                yield head
            before = found[-1].seat.place if found[-1].seat is not None else 1


def _parse(cursor: str | None) -> tuple[int | None, int]:
    """The place of a run, and the checkpoint in it, that a page begins before. Raises Invalid."""
    if cursor is None:
        return None, 0
    parts = cursor.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) <= 12 for part in parts):
        raise Invalid("the cursor is none that this list gave out", "cursor.invalid")
    return int(parts[0]), int(parts[1])


def _summary(row: SessionRow, last: RunHead | None) -> dict[str, Any]:
    """A session as lists show it: how the run stands that began last."""
    return {
        "id": row.id,
        "status": None if last is None else last.status,
        "workflow_id": None if last is None else last.workflow_id,
        "latest_run_id": None if last is None else last.id,
        "latest_checkpoint_id": None if last is None else render.checkpoint_id(last.id, seq_of(last.head)),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }
