"""Webhooks of runs: where somebody is told of a run, and what became of what was told."""

from __future__ import annotations

from collections.abc import Callable

from api.schemas import Webhook
from dispatch._address import check_hook_url
from engine.errors import Invalid, NotFound
from engine.model import Hook, RunId, RunStatus
from engine.notices import Notice, NoticeFilter, again
from engine.ports import Page, Store
from watcher.notices import Notifier


def hook_of(asked: Webhook | None) -> Hook | None:
    """Where a run is told of. Raises Invalid for an address that cannot be one."""
    if asked is None:
        return None
    if why_not := check_hook_url(asked.url):
        raise Invalid(f"webhook: {why_not}", "webhook.invalid", [{"path": "/webhook/url", "message": why_not}])
    if asked.events is None:
        return Hook(url=asked.url, secret=asked.secret)
    return Hook(url=asked.url, secret=asked.secret, events=tuple(map(RunStatus, dict.fromkeys(asked.events))))


class Notices:
    """What runs told, or could not tell. `clock` gives milliseconds since the epoch."""

    def __init__(self, store: Store, notifier: Notifier, clock: Callable[[], int]) -> None:
        self.store, self.notifier, self.clock = store, notifier, clock

    async def get(self, notice_id: str) -> Notice:
        """One notice. Raises NotFound."""
        notice = await self.store.notice(notice_id)
        if notice is None:
            raise NotFound(f"there is no notice '{notice_id[:80]}'")
        return notice

    async def page(self, status: str | None, run_id: str | None, limit: int, cursor: str | None) -> Page[Notice]:
        """Notices, newest first. Raises NotFound where the run that they shall be of is none."""
        run = await self.store.run(RunId(run_id)) if run_id is not None else None
        if run_id is not None and run is None:
            raise NotFound(f"there is no run '{run_id[:80]}'")
        where = NoticeFilter(status=status, run_key=run.key if run is not None else None)
        items, next_cursor = await self.store.notices(where, limit, cursor)
        return Page(items=items, next_cursor=next_cursor)

    async def redrive(self, notice_id: str) -> Notice:
        """Try a notice again, now. Raises NotFound or Conflict."""
        while True:
            was = await self.get(notice_id)
            now = again(was, self.clock())
            if await self.store.move_notice(was, now):
                self.notifier.take(now)
                return now
