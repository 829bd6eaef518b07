"""Who is told when: the order of deliveries, what is tried again, and what is written down of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine.errors import StoreUnavailable
from engine.model import Hook
from engine.notices import Attempt, Notice, Patience
from engine.ports import Batch
from engine.retry import RetryPolicy
from store.memory import MemoryStore
from tests.contract.samples import NOW, created, notice, run
from tests.unit.dispatch.builders import PATIENCE_S, Watched
from watcher.notices import MAX_PER_SERVER, MAX_UNDER_WAY, Notifier, notified

MISSED = Attempt(error="HTTP 500")
SOON = Patience(policy=RetryPolicy(max_attempts=1000, initial_interval_ms=1000), give_up_ms=60_000)


class Receiver(Watched):
    """Holds what is sent until the test answers it, and lets the test wait for that."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.open: dict[str, asyncio.Future[Attempt]] = {}

    async def __call__(self, notice: Notice, hook: Hook) -> Attempt:
        self.sent.append(notice.id)
        answer = self.open[notice.id] = asyncio.get_running_loop().create_future()
        self.changed()
        try:
            return await answer
        finally:
            self.open.pop(notice.id, None)

    def answer(self, notice: Notice, attempt: Attempt = Attempt()) -> None:  # noqa: B008 - it never changes
        self.open[notice.id].set_result(attempt)


class WatchedStore(MemoryStore):
    """A store that says when a notice was moved on; `broken` lets it take nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: Callable[[], None] = lambda: None
        self.broken, self.refused = False, 0

    async def move_notice(self, was: Notice, now: Notice) -> bool:
        if self.broken:
            self.refused += 1
            self.moved()
            raise StoreUnavailable("the disk is gone")
        done = await super().move_notice(was, now)
        self.moved()
        return done


class Post:
    """A store with a run, a receiver, and a notifier between them; the clock stands where a test puts it."""

    def __init__(self) -> None:
        self.store, self.receiver, self.now = WatchedStore(), Receiver(), NOW + 1000
        self.store.moved = self.receiver.changed
        self.notifier = Notifier(
            self.store, self.receiver, clock=lambda: self.now, chance=lambda: 0.0, patience=SOON, store_pause_s=0.001
        )

    async def add(self, *notices: Notice) -> None:
        """New notices, as a running engine writes and tells them."""
        await self.store.commit(Batch(notices=list(notices)))
        for item in notices:
            self.notifier.take(item)

    async def status(self, of: Notice) -> str:
        found = await self.store.notice(of.id)
        assert found is not None
        return found.status

    async def until(self, of: Notice, status: str) -> None:
        """Wait until a notice has this status, durably."""
        standing = self.store._notices
        await self.receiver.until(lambda: standing[of.id][1].status == status)

    async def tried(self, of: Notice) -> None:
        """Wait until an attempt is written down."""
        standing = self.store._notices
        await self.receiver.until(lambda: standing[of.id][1].attempts > 0)


@pytest.fixture
async def post() -> Post:
    found = Post()
    await found.store.commit(created(run(1, hook=Hook(url="http://a.test"))))
    return found


@asynccontextmanager
async def delivering(post: Post, grace_s: float = 0.0) -> AsyncIterator[None]:
    async with notified(post.notifier, grace_s):
        yield


def some(count: int, server: str = "a.test", first: int = 1) -> list[Notice]:
    return [notice(1, seq, url=f"http://{server}/x") for seq in range(first, first + count)]


async def test_what_the_store_holds_and_what_comes_is_delivered(post: Post) -> None:
    old, new = some(2)
    await post.store.commit(Batch(notices=[old]))
    async with delivering(post):
        await post.add(new)
        await post.receiver.until(lambda: len(post.receiver.open) == 2)
        for item in (old, new):
            post.receiver.answer(item)
            await post.until(item, "delivered")
    assert (post.notifier.counts.delivered, post.notifier.waiting) == (2, 0)


async def test_a_server_that_hangs_holds_up_nobody_else(post: Post) -> None:
    hanging, others = some(50), [some(1, f"{name}.test", 100 + name)[0] for name in range(3)]
    async with delivering(post):
        await post.add(*hanging, *others)
        await post.receiver.until(lambda: {item.id for item in others} <= post.receiver.open.keys())
        assert len(post.receiver.open) == MAX_PER_SERVER + len(others)
        post.receiver.answer(hanging[0])
        await post.receiver.until(lambda: len(post.receiver.sent) == MAX_PER_SERVER + len(others) + 1)
        assert post.receiver.sent[-1] == hanging[MAX_PER_SERVER].id


async def test_so_many_deliveries_at_a_time_and_servers_take_turns(post: Post) -> None:
    servers = [some(3, f"{number}.test", number * 10 + 1) for number in range(MAX_UNDER_WAY + 1)]
    async with delivering(post):
        await post.add(*(item for line in servers for item in line))
        await post.receiver.until(lambda: len(post.receiver.open) == MAX_UNDER_WAY)
        first = next(item for line in servers for item in line if item.id in post.receiver.open)
        post.receiver.answer(first)
        await post.receiver.until(lambda: len(post.receiver.sent) == MAX_UNDER_WAY + 1)
        assert post.receiver.sent[-1] == servers[MAX_UNDER_WAY][0].id


async def test_what_did_not_arrive_is_sent_again_when_its_time_has_come(post: Post) -> None:
    (item,) = some(1)
    async with delivering(post):
        await post.add(item)
        await post.receiver.until(lambda: item.id in post.receiver.open)
        post.receiver.answer(item, MISSED)
        await post.tried(item)
        assert (post.receiver.sent, post.notifier.waiting) == ([item.id], 1)
        post.now += 1000
        post.notifier.take((await post.store.notice(item.id)) or item)
        await post.receiver.until(lambda: len(post.receiver.sent) == 2)
    assert (post.notifier.counts.missed, post.notifier.counts.delivered) == (1, 0)


async def test_what_was_withdrawn_before_its_turn_is_not_sent(post: Post) -> None:
    gone, item = some(2)
    await post.store.commit(Batch(notices=[gone]))
    await post.store.commit(Batch(notices_withdrawn=[(1, NOW)], notices=[item]))
    post.notifier.take(gone)
    async with delivering(post):
        await post.receiver.until(lambda: item.id in post.receiver.open)
    assert post.receiver.sent == [item.id]


@pytest.mark.parametrize(("attempt", "status"), [(MISSED, "withdrawn"), (Attempt(), "delivered")])
async def test_what_is_withdrawn_on_its_way_is_not_tried_again(post: Post, attempt: Attempt, status: str) -> None:
    (item,) = some(1)
    async with delivering(post):
        await post.add(item)
        await post.receiver.until(lambda: item.id in post.receiver.open)
        await post.store.commit(Batch(notices_withdrawn=[(1, NOW)]))
        post.receiver.answer(item, attempt)
        await post.tried(item)
        assert (await post.status(item), post.notifier.waiting) == (status, 0)


async def test_a_store_that_fails_is_asked_again_and_nothing_is_sent_twice(post: Post) -> None:
    (item,) = some(1)
    async with delivering(post):
        await post.add(item)
        await post.receiver.until(lambda: item.id in post.receiver.open)
        post.store.broken = True
        post.receiver.answer(item)
        await post.receiver.until(lambda: post.store.refused > 0)
        post.store.broken = False
        await post.until(item, "delivered")
    assert post.receiver.sent == [item.id]


async def test_a_delivery_that_goes_wrong_in_another_way_keeps_nobody_back(post: Post) -> None:
    wrong, item = some(2)
    async with delivering(post):
        await post.add(wrong, item)
        await post.receiver.until(lambda: len(post.receiver.open) == 2)
        post.receiver.open[wrong.id].set_exception(ZeroDivisionError())
        post.receiver.answer(item)
        await post.until(item, "delivered")
        assert (await post.status(wrong), post.notifier.waiting) == ("pending", 1)


async def test_at_the_end_what_is_under_way_has_its_grace_and_nothing_more_begins(post: Post) -> None:
    *under_way, later = some(MAX_PER_SERVER + 1)

    async def answer_slowly() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        for item in under_way:
            post.receiver.answer(item)

    async with delivering(post, grace_s=PATIENCE_S):
        await post.add(*under_way, later)
        await post.receiver.until(lambda: len(post.receiver.open) == MAX_PER_SERVER)
        answers = asyncio.create_task(answer_slowly())
    await answers
    assert [await post.status(item) for item in under_way] == ["delivered"] * MAX_PER_SERVER
    assert (await post.status(later), later.id in post.receiver.sent) == ("pending", False)


async def test_what_is_cut_off_is_still_to_be_sent(post: Post) -> None:
    (item,) = some(1)
    async with delivering(post):
        await post.add(item)
        await post.receiver.until(lambda: item.id in post.receiver.open)
    found = await post.store.notice(item.id)
    assert found == replace(item)
