"""The part of the SQLite store that keeps notices."""

from __future__ import annotations

from engine.notices import Notice, NoticeFilter, NoticeStatus
from store import _cursor as cursors
from store import _notices as told
from store._sqlite_file import SqliteFile


class SqliteNotices(SqliteFile):
    """Reads notices, and moves them on; they are written with the batches that they belong to."""

    async def notice(self, notice_id: str) -> Notice | None:
        return self._one(told.notice_of, told.ONE, notice=notice_id)

    async def next_notice(self, run_key: int, push: str) -> Notice | None:
        given = {"run_key": run_key, "push": push, "status": NoticeStatus.PENDING, "limit": 1}
        return self._one(told.notice_of, told.NEXT, **given)

    async def notices(
        self, where: NoticeFilter, limit: int, cursor: str | None
    ) -> tuple[tuple[Notice, ...], str | None]:
        text, given = told.query(where, limit + 1, cursors.read("notices", cursor, int))
        return told.page(self._read(text, **given), limit)

    async def move_notice(self, was: Notice, now: Notice) -> bool:
        done: list[bool] = []
        await self._write().change(told.move(was, now, done.append))
        return done[0]
