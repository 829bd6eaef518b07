"""Runs that are over go after a while: those beyond the newest of their workflow, and those that ended long ago."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from engine.errors import Conflict, EngineError, NotFound
from engine.model import TERMINAL, RunHead, RunId
from engine.notices import NoticeFilter, NoticeStatus
from engine.ports import RunFilter, Store
from engine.values import dataclass
from watcher._beside import beside

PAGE = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is kept. `keep_last` counts the ended runs of each workflow; a run that either rule gives up goes."""

    keep_last: int | None = None
    max_age_ms: int | None = None

    def keeps(self, head: RunHead, place: int, now: int) -> bool:
        """Whether an ended run stays that is the `place`-th newest of its workflow, from 1."""
        if self.keep_last is not None and place > self.keep_last:
            return False
        return self.max_age_ms is None or now - (head.finished_at or head.updated_at) <= self.max_age_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Deletes what the rules give up. `delete` raises Conflict for a run whose history a living fork reads."""

    store: Store
    delete: Callable[[RunId], Awaitable[None]]
    rules: Rules
    clock: Callable[[], int]

    async def sweep(self) -> int:
        """Go through all runs that are over, once; returns how many were deleted.

        The newest come first, so that forks go before the runs that they were forked from.
        """
        places: Counter[str] = Counter()
        deleted, cursor = 0, None
        while True:
            page = await self.store.runs(RunFilter(status=tuple(sorted(TERMINAL))), PAGE, cursor)
            for head in page.items:
                places[head.workflow_id] += 1
                if self.rules.keeps(head, places[head.workflow_id], self.clock()) or await self._is_untold(head):
                    continue
                deleted += await self._delete(head.id)
            if (cursor := page.next_cursor) is None:
                return deleted

    async def _is_untold(self, head: RunHead) -> bool:
        """Whether somebody is still to be told of a run: what is told goes with it."""
        if head.hook is None and not head.pushes:
            return False
        pending = NoticeFilter(status=NoticeStatus.PENDING, run_key=head.key)
        return bool((await self.store.notices(pending, 1, None))[0])

    async def _delete(self, run_id: RunId) -> bool:
        try:
            await self.delete(run_id)
        except (Conflict, NotFound):  # a fork of it lives, or it goes on; or somebody was faster
            return False
        log.info("run.expired", run_id=run_id)
        return True

    async def follow(self, every_s: float) -> None:
        """Sweep now and then, for ever."""
        while True:
            try:
                await self.sweep()
            except EngineError as error:
                log.error("retention.failed", code=error.code, error=error.message)
            except Exception:  # the root of all sweeps: the next one may get on
                log.exception("retention.failed")
            await asyncio.sleep(every_s)


@asynccontextmanager
async def swept(retention: Retention, every_s: float) -> AsyncIterator[None]:
    """While this lasts, what expires is deleted."""
    async with beside(retention.follow(every_s)):
        yield
