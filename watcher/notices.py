"""Notices are delivered: each as often as it takes, after longer and longer pauses, until it arrives or is given up.

What is still to be done is in the store, so that a process that ends in the middle of it loses nothing: the next one
sends again whatever is not known to have arrived. What webhooks are told is delivered each for itself; what a push is
told stands in a lane of its own, in which one comes after the other.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import structlog

from engine.errors import StoreUnavailable
from engine.model import Hook, Push, RunHead
from engine.notices import Attempt, Notice, NoticeFilter, NoticeStatus, Patience, after
from engine.ports import Store
from watcher._beside import beside

MAX_UNDER_WAY = 32
MAX_PER_SERVER = 4
"""So many deliveries at a time: one receiver that hangs holds up nobody else."""
LONGEST_S = 3600.0
PAGE = 100

Post = Callable[[Notice, Hook | Push], Awaitable[Attempt]]
T = TypeVar("T")
log = structlog.get_logger(__name__)


class Lane(NamedTuple):
    """What is delivered one after the other: what a push of a run is told, or one notice for a webhook, by its id."""

    run_key: int
    push: str
    notice_id: str


@dataclass(slots=True, eq=False)
class Counts:
    """Only ever grow: notices that arrived, attempts that did not, notices that were given up."""

    delivered: int = 0
    missed: int = 0
    given_up: int = 0


class Notifier:
    """Delivers the notices of a store by `post`. `clock` gives milliseconds since the epoch, `chance` is in [0, 1); a
    store that does not answer is asked again after `store_pause_s`."""

    def __init__(
        self,
        store: Store,
        post: Post,
        *,
        clock: Callable[[], int],
        chance: Callable[[], float],
        patience: Patience,
        store_pause_s: float = 1.0,
    ) -> None:
        self.store, self.post, self.clock, self.chance, self.patience = store, post, clock, chance, patience
        self.store_pause_s = store_pause_s
        self.counts = Counts()
        self._due: list[tuple[int, Lane, str]] = []
        """(due time, lane, server), the earliest first; what is out of date is found out when it comes up."""
        self._lines: dict[str, deque[Lane]] = {}
        """What is due, by server; the one that was served last comes last."""
        self._held: set[Lane] = set()
        """Those in a line or under way."""
        self._grown: set[Lane] = set()
        """Lanes that something has come into while they were held."""
        self._open: dict[Lane, set[str]] = {}
        """The notices that are known not to have arrived, by lane."""
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._wake = asyncio.Event()
        self._closing = False

    @property
    def waiting(self) -> int:
        """How many notices have not arrived yet."""
        return sum(map(len, self._open.values()))

    def take(self, notice: Notice) -> None:
        """Deliver a notice when its time has come; one that is under way already is looked at again after that."""
        if notice.due_at is None:
            return
        lane = Lane(notice.run_key, notice.push, "" if notice.push else notice.id)
        self._open.setdefault(lane, set()).add(notice.id)
        if lane not in self._held:
            heappush(self._due, (notice.due_at, lane, urlsplit(notice.url).netloc))
            self._wake.set()
        elif lane.push:
            self._grown.add(lane)

    async def follow(self) -> None:
        """Deliver what the store holds and what is taken, for ever."""
        async with asyncio.TaskGroup() as tasks:
            await self._take_all()
            while True:
                self._wake.clear()
                self._line_up()
                self._begin(tasks)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._wake.wait()

    def _begin(self, tasks: asyncio.TaskGroup) -> None:
        while not self._closing and len(self._tasks) < MAX_UNDER_WAY and (found := self._next()) is not None:
            task = tasks.create_task(self._deliver(*found), name=f"notice {found[0].run_key}")
            self._tasks[task] = found[1]
            task.add_done_callback(self._ended)

    async def close(self, grace_s: float) -> None:
        """Begin no delivery any more, and give those under way `grace_s` seconds; what is cut off is sent again."""
        self._closing = True
        if tasks := tuple(self._tasks):
            await asyncio.wait(tasks, timeout=grace_s)

    # ---- who is next

    async def _take_all(self) -> None:
        where, cursor = NoticeFilter(status=NoticeStatus.PENDING), None
        while True:
            found, cursor = await self._patiently(self.store.notices, where, PAGE, cursor)
            for notice in found:
                self.take(notice)
            if cursor is None:
                return

    def _line_up(self) -> None:
        now = self.clock()
        while self._due and self._due[0][0] <= now:
            _, lane, server = heappop(self._due)
            if lane not in self._held:
                self._held.add(lane)
                self._lines.setdefault(server, deque()).append(lane)

    def _next(self) -> tuple[Lane, str] | None:
        """The lane to deliver from next, and its server: of those that have room, the one that has waited longest."""
        busy = Counter(self._tasks.values())
        server = next((server for server in self._lines if busy[server] < MAX_PER_SERVER), None)
        if server is None:
            return None
        line = self._lines.pop(server)
        lane = line.popleft()
        if line:
            self._lines[server] = line
        return lane, server

    def _pause_s(self) -> float:
        if not self._due:
            return LONGEST_S
        return min(max(0.0, (self._due[0][0] - self.clock()) / 1000), LONGEST_S)

    # ---- a delivery

    async def _deliver(self, lane: Lane, server: str) -> None:
        again = None
        try:
            again = await self._attempt(lane)
        except Exception:  # the root of a delivery: whatever goes wrong with one notice must not keep the others back
            log.exception("notice.broken", run_key=lane.run_key, notice_id=lane.notice_id)
            heappush(self._due, (self.clock() + self.patience.policy.max_interval_ms, lane, server))
        else:
            if (again is None or again.due_at is None) and lane not in self._grown:
                self._open.pop(lane, None)
        finally:
            self._held.discard(lane)
        if lane in self._grown:
            self._grown.discard(lane)
            heappush(self._due, (self.clock(), lane, server))
        if again is not None:
            self.take(again)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        self._wake.set()

    async def _attempt(self, lane: Lane) -> Notice | None:
        """Send what comes next in a lane, and write down how that went; the notice that is to be tried after that."""
        notice = await self._first(lane)
        if notice is None or notice.due_at is None or notice.due_at > self.clock():
            return notice
        run = await self._patiently(self.store.run_by_key, notice.run_key)
        to = None if run is None else _told_by(run, notice)
        if to is None:
            return None
        attempt = await self.post(notice, to)
        now = await self._keep(notice.id, attempt)
        if now is not None and now.due_at is not None:
            return now
        self._open.get(lane, set()).discard(notice.id)
        return await self._first(lane) if lane.push else None

    async def _first(self, lane: Lane) -> Notice | None:
        if lane.push:
            return await self._patiently(self.store.next_notice, lane.run_key, lane.push)
        return await self._patiently(self.store.notice, lane.notice_id)

    async def _keep(self, name: str, attempt: Attempt) -> Notice | None:
        """Write down how an attempt went, by what the notice is now: it may have been withdrawn meanwhile."""
        while (was := await self._patiently(self.store.notice, name)) is not None:
            now = after(was, attempt, self.clock(), self.chance(), self.patience)
            if await self._patiently(self.store.move_notice, was, now):
                self._count(now, attempt)
                return now
        return None

    def _count(self, notice: Notice, attempt: Attempt) -> None:
        told = {"run_id": notice.run_id, "notice_id": notice.id, "attempts": notice.attempts}
        if attempt.error is None:
            self.counts.delivered += 1
            log.info("notice.delivered", **told)
            return
        self.counts.missed += 1
        log.info("notice.missed", error=attempt.error, **told)
        if notice.status == NoticeStatus.FAILED:
            self.counts.given_up += 1
            log.warning("notice.given_up", error=attempt.error, **told)

    async def _patiently(self, ask: Callable[..., Awaitable[T]], *given: Any) -> T:
        """What the store answers, once it can."""
        told = False
        while True:
            try:
                return await ask(*given)
            except StoreUnavailable as error:
                if not told:
                    log.warning("notice.store", code=error.code, error=error.message)
                told = True
                await asyncio.sleep(self.store_pause_s)


def _told_by(run: RunHead, notice: Notice) -> Hook | Push | None:
    """Who is told by a notice of a run; None where that one is not there any more."""
    if not notice.push:
        return run.hook
    return next((push for push in run.pushes if push.id == notice.push), None)


@asynccontextmanager
async def notified(notifier: Notifier, grace_s: float) -> AsyncIterator[None]:
    """While this lasts, notices are delivered."""
    async with beside(notifier.follow()):
        try:
            yield
        finally:
            await notifier.close(grace_s)
