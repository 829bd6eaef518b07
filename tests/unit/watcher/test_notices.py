"""Who is told when: the order of deliveries, what is tried again, and what is written down of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from engine.errors import StoreUnavailable
from engine.model import Hook, Push
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

    async def __call__(self, notice: Notice, to: Hook | Push) -> Attempt:
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


# ---- pushes: one after the other


FIRST, SECOND = (Push(id=name, url=f"http://{name}.test/x", form="f", created_at=NOW) for name in ("p", "q"))


def pushed(count: int, push: Push = FIRST, first: int = 1) -> list[Notice]:
    found = [notice(2, seq, push=push.id, url=push.url) for seq in range(first, first + count)]
    return [replace(item, id=f"{item.id}-{push.id}") for item in found]


@pytest.fixture
async def pushing(post: Post) -> Post:
    await post.store.commit(created(run(2, pushes=(FIRST, SECOND))))
    return post


async def test_what_a_push_is_told_arrives_in_order_and_others_do_not_wait_for_it(pushing: Post) -> None:
    one, two, three = pushed(3)
    (other,) = pushed(1, SECOND)
    async with delivering(pushing):
        await pushing.add(one, two, other, three)
        await pushing.receiver.until(lambda: {one.id, other.id} == pushing.receiver.open.keys())
        assert pushing.notifier.waiting == 4
        for item in (one, two, three):
            await pushing.receiver.until(lambda item=item: item.id in pushing.receiver.open)  # type: ignore[misc]
            pushing.receiver.answer(item)
        await pushing.until(three, "delivered")
        pushing.receiver.answer(other)
        await pushing.until(other, "delivered")
    assert [name for name in pushing.receiver.sent if name != other.id] == [one.id, two.id, three.id]
    assert pushing.notifier.waiting == 0


async def test_what_follows_waits_until_what_did_not_arrive_is_tried_again(pushing: Post) -> None:
    one, two = pushed(2)
    (other,) = pushed(1, SECOND)
    async with delivering(pushing):
        await pushing.add(one, two)
        await pushing.receiver.until(lambda: one.id in pushing.receiver.open)
        pushing.receiver.answer(one, MISSED)
        await pushing.tried(one)
        pushing.notifier.take(two)
        await pushing.add(other)
        await pushing.receiver.until(lambda: other.id in pushing.receiver.open)
        pushing.now += 1000
        pushing.notifier.take(two)
        await pushing.receiver.until(lambda: one.id in pushing.receiver.open)
        pushing.receiver.answer(one)
        await pushing.receiver.until(lambda: two.id in pushing.receiver.open)
    assert pushing.receiver.sent == [one.id, other.id, one.id, two.id]


async def test_what_is_given_up_does_not_keep_back_what_follows(pushing: Post) -> None:
    one, two = pushed(2)
    async with delivering(pushing):
        await pushing.add(one, two)
        await pushing.receiver.until(lambda: one.id in pushing.receiver.open)
        pushing.receiver.answer(one, Attempt(error="HTTP 410", final=True))
        await pushing.receiver.until(lambda: two.id in pushing.receiver.open)
        assert (await pushing.status(one), pushing.notifier.waiting) == ("failed", 1)


async def test_what_comes_while_the_one_before_is_written_down_is_not_forgotten(pushing: Post) -> None:
    one, two = pushed(2)
    known = pushing.store.next_notice

    async def slowly(run_key: int, push: str) -> Notice | None:
        found = await known(run_key, push)
        if found is None and (await pushing.store.notice(two.id)) is None:
            await pushing.add(two)
        return found

    pushing.store.next_notice = slowly  # type: ignore[method-assign]
    async with delivering(pushing):
        await pushing.add(one)
        await pushing.receiver.until(lambda: one.id in pushing.receiver.open)
        pushing.receiver.answer(one)
        await pushing.receiver.until(lambda: two.id in pushing.receiver.open)
        assert pushing.notifier.waiting == 1


async def test_the_next_process_goes_on_in_the_order_of_the_one_before(pushing: Post) -> None:
    waiting = pushed(3)
    await pushing.store.commit(Batch(notices=waiting))
    (new,) = pushed(1, first=9)
    await pushing.add(new)
    async with delivering(pushing):
        for item in (*waiting, new):
            await pushing.receiver.until(lambda item=item: item.id in pushing.receiver.open)  # type: ignore[misc]
            pushing.receiver.answer(item)
        await pushing.until(new, "delivered")
    assert pushing.receiver.sent == [item.id for item in (*waiting, new)]


async def test_who_is_not_told_any_more_is_not_told_what_waits(pushing: Post) -> None:
    one, two = pushed(2)
    (other,) = pushed(1, SECOND)
    moved = replace(FIRST, url="http://moved.test/x")
    async with delivering(pushing):
        await pushing.add(one, two)
        await pushing.receiver.until(lambda: one.id in pushing.receiver.open)
        await pushing.store.commit(Batch(pushes={2: ((moved, SECOND), NOW)}))
        pushing.receiver.answer(one, MISSED)
        await pushing.tried(one)
        assert (await pushing.store.next_notice(2, "p")) is not None
        await pushing.store.commit(Batch(pushes={2: ((SECOND,), NOW)}))
        pushing.now += 1000
        pushing.notifier.take(two)
        await pushing.add(other)
        await pushing.receiver.until(lambda: other.id in pushing.receiver.open)
        assert pushing.notifier.waiting == 1
    assert pushing.receiver.sent == [one.id, other.id]
