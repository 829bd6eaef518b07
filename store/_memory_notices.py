"""Notices in memory."""

from __future__ import annotations

from engine.errors import StaleCommit
from engine.model import Push
from engine.notices import OPEN, Notice, NoticeFilter, NoticeStatus
from engine.ports import Batch
from engine.values import replace
from store import _cursor as cursors
from store._memory_catalogue import page_of


class MemoryNotices:
    """Notices by their ids, with the order in which they were made."""

    def __init__(self) -> None:
        self._notices: dict[str, tuple[int, Notice]] = {}
        self._made = 0

    async def notice(self, notice_id: str) -> Notice | None:
        found = self._notices.get(notice_id)
        return None if found is None else found[1]

    async def next_notice(self, run_key: int, push: str) -> Notice | None:
        found = [(n, one) for n, one in self._notices.values() if (one.run_key, one.push) == (run_key, push)]
        tried = [(n, one) for n, one in found if one.status == NoticeStatus.PENDING]
        return min(tried, key=lambda item: item[0])[1] if tried else None

    async def notices(
        self, where: NoticeFilter, limit: int, cursor: str | None
    ) -> tuple[tuple[Notice, ...], str | None]:
        after = cursors.read("notices", cursor, int)
        wanted = (item for item in self._notices.values() if _fits(item[1], where))
        page = page_of("notices", wanted, lambda item: (item[0],), limit, after)
        return tuple(replace(notice, body=b"") for _, notice in page.items), page.next_cursor

    async def move_notice(self, was: Notice, now: Notice) -> bool:
        n, found = self._notices.get(was.id, (0, None))
        if found is None or _standing(found) != _standing(was):
            return False
        self._notices[was.id] = (n, now)
        return True

    def _check_notices(self, batch: Batch) -> None:
        names = {notice.id for notice in batch.notices}
        if len(names) < len(batch.notices) or not self._notices.keys().isdisjoint(names):
            raise StaleCommit("a notice is stored already")

    def _add_notices(self, batch: Batch) -> None:
        for run_key, at in batch.notices_withdrawn:
            for name, (n, notice) in self._notices.items():
                if notice.run_key == run_key and not notice.push and notice.status in OPEN:
                    self._notices[name] = (n, _withdrawn(notice, at))
        for notice in batch.notices:
            self._made += 1
            self._notices[notice.id] = (self._made, notice)

    def _push(self, run_key: int, pushes: tuple[Push, ...], at: int) -> None:
        places = {push.id: push.url for push in pushes}
        for name, (n, notice) in self._notices.items():
            if notice.run_key != run_key or not notice.push or notice.status not in OPEN:
                continue
            if notice.push in places:
                self._notices[name] = (n, replace(notice, url=places[notice.push]))
            else:
                self._notices[name] = (n, _withdrawn(notice, at))

    def _forget_notices(self, run_key: int) -> None:
        self._notices = {name: item for name, item in self._notices.items() if item[1].run_key != run_key}


def _fits(notice: Notice, where: NoticeFilter) -> bool:
    wanted = (where.status in (None, notice.status), where.run_key in (None, notice.run_key))
    return all(wanted) and where.push in (None, notice.push)


def _withdrawn(notice: Notice, at: int) -> Notice:
    return replace(notice, status=NoticeStatus.WITHDRAWN, ended_at=at, due_at=None, body=b"")


def _standing(notice: Notice) -> tuple[str, int, int]:
    return notice.status, notice.attempts, notice.since
