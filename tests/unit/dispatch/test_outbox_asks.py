"""Workers that ask for their tasks: who gets which, what becomes of those that hang up, and when a lease lapses."""

from __future__ import annotations

import pytest

from dispatch._asks import Asks
from dispatch._outbox import WorkerOutbox
from dispatch._visitors import visitor
from dispatch.pull import Pull
from engine.answer import RateLimit
from engine.limits import Limits, RateRule
from engine.outbox import LOST, Accepted, Refused
from tests.unit.dispatch.builders import NOW, FakeLater, Told, a_work, a_worker, by_id, reply_to
from tests.unit.dispatch.desk import Scripted

ROW = a_worker("p", protocol="pull", max_concurrent=10)
LEASE_MS = 1000


class Counter:
    """An outbox to which workers come, with everything around it."""

    def __init__(self, **options: int) -> None:
        self.asks, self.later, self.told, self.now = Asks(), FakeLater(), Told(), NOW
        self.transport = Scripted()
        self.box = WorkerOutbox(
            {"pull": Pull(self.asks), "webhook": self.transport},
            clock=lambda: self.now,
            reply_to=reply_to,
            later=self.later,
            asks=self.asks,
            asking=("pull",),
            **options,
        )
        self.box.listen(self.told)
        self.box.workers_changed(by_id(ROW))
        self.box.open()

    def submit(self, *task_ids: str, **fields: object) -> None:
        for task_id in task_ids:
            self.box.submit(a_work(task_id, **fields))

    async def ask(self, most: int = 1, row=ROW, *, visits: bool = False) -> list[str]:
        with self.asks.open(row, most, LEASE_MS, visits=visits) as ask:
            await ask.wait(0)
        return [task.task_id for task in ask.taken]


@pytest.fixture
async def counter():
    found = Counter()
    yield found
    await found.box.close(0)


async def test_those_come_first_that_have_waited_longest_and_those_of_higher_priority(counter):
    counter.submit("t1", "t2", since=NOW)
    counter.submit("t3", since=NOW, priority=1)
    assert await counter.ask(2) == ["t3", "t1"]
    assert await counter.ask(2) == ["t2"]


async def test_what_was_taken_is_told_as_dispatched_and_accepted(counter):
    counter.submit("t1")
    await counter.ask()
    assert counter.told.reasons == [("t1", "not_asked")]
    assert counter.told.dispatches == [("t1", "p")]
    assert await counter.told.reply("t1") == Accepted(lease_ms=LEASE_MS)


async def test_limits_hold_for_those_that_ask_too(counter):
    counter.submit("t1", "t2", limits=Limits(node="a", key="k"))
    assert await counter.ask(5) == ["t1"]
    counter.box.release("t1")
    assert await counter.ask(5) == ["t2"]


async def test_the_rate_of_a_node_holds_for_those_that_ask_too(counter):
    counter.submit("t1", "t2", limits=Limits(node="a", rate=RateRule(1, 1000)))
    assert await counter.ask(5) == ["t1"]
    counter.now += 1000
    assert await counter.ask(5) == ["t2"]


async def test_a_worker_without_calls_left_gets_nothing(counter):
    counter.submit("t1")
    counter.box.rated("p", RateLimit(remaining=0, limit=1, reset_ms=500))
    assert await counter.ask() == []


async def test_who_hangs_up_before_a_task_came_gets_nothing_and_the_next_does(counter):
    with counter.asks.open(ROW, 1, LEASE_MS) as ask:
        counter.submit("t1")  # it is on its way, and not there yet
    await counter.told.until(lambda: ("t1", "not_asked") in counter.told.reasons)
    assert ask.taken == []
    assert await counter.ask() == ["t1"]


async def test_what_was_released_on_its_way_does_not_keep_its_place(counter):
    with counter.asks.open(ROW, 1, LEASE_MS) as ask:
        counter.submit("t1")
        counter.box.release("t1")
        counter.submit("t2")
        await ask.wait(1)
    assert [task.task_id for task in ask.taken] == ["t2"]


async def test_what_was_given_to_somebody_who_had_hung_up_is_lost_at_once(counter):
    counter.submit("t1")
    with counter.asks.open(ROW, 1, LEASE_MS) as ask:
        await ask.wait(1)
        counter.asks.give_back(ask)
    reply = await counter.told.reply("t1")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, reply.transport) == (LOST, True, True)


async def test_a_lease_lapses_when_nothing_was_heard(counter):
    counter.submit("t1", "t2")
    await counter.ask(2)
    counter.now += LEASE_MS - 1
    counter.box.alive("t2")
    counter.now += 1
    counter.later.fire()
    await counter.told.until(lambda: isinstance(counter.told.replies["t1"], Refused))
    assert isinstance(counter.told.replies["t2"], Accepted)
    assert counter.box._slots.taken("p") == 1


async def test_no_lease_lapses_while_nobody_can_be_heard(counter):
    counter.submit("t1")
    await counter.ask()
    counter.box.hold(True)
    counter.now += 2 * LEASE_MS
    counter.later.fire()
    counter.box.hold(False)
    counter.later.fire()
    assert isinstance(counter.told.replies["t1"], Accepted)
    counter.now += LEASE_MS
    counter.later.fire()
    assert isinstance(counter.told.replies["t1"], Refused)


async def test_what_is_over_lapses_no_more(counter):
    counter.submit("t1")
    await counter.ask()
    counter.box.release("t1")
    counter.now += LEASE_MS
    counter.later.fire()
    assert counter.told.replies == {"t1": Accepted(lease_ms=LEASE_MS)}


async def test_a_lease_from_before_a_restart_begins_anew(counter):
    counter.submit("t1", accepted_by="p", lease_ms=LEASE_MS)
    counter.now += LEASE_MS
    counter.later.fire()
    assert isinstance(await counter.told.reply("t1"), Refused)


async def test_who_is_not_registered_is_known_for_a_while(counter):
    guest = visitor(("x", "y"), "pull")
    counter.box.workers_changed({})
    assert await counter.ask(1, guest, visits=True) == []
    counter.submit("t1", tags=("y",))
    assert counter.told.reasons == [("t1", "not_asked")]
    counter.later.fire()  # nothing was heard of the guest for a while
    counter.submit("t2", tags=("x", "y"))
    assert counter.told.reasons[-1] == ("t2", "no_worker")
    assert await counter.ask(2, guest, visits=True) == ["t1", "t2"]


async def test_who_asks_and_who_is_asked_share_the_work(counter):
    counter.box.workers_changed(by_id(ROW, a_worker("w")))
    with counter.asks.open(ROW, 1, LEASE_MS) as ask:
        counter.submit("t1", "t2", "t3")
        await ask.wait(1)
    assert sorted(worker for _, worker in counter.told.dispatches) == ["p", "w"]
    assert counter.told.reasons == [("t3", "capacity")]


async def test_whoever_is_served_gets_what_was_asked_for_and_no_more(counter):
    counter.submit(*(f"t{number}" for number in range(20)))
    with counter.asks.open(ROW, 3, LEASE_MS) as one, counter.asks.open(ROW, 4, LEASE_MS) as other:
        await one.wait(1)
        await other.wait(1)
    assert (len(one.taken), len(other.taken), counter.box.in_line) == (3, 4, 13)


async def test_a_wait_that_is_ended_gives_back_what_was_on_its_way(counter):
    with counter.asks.open(ROW, 1, LEASE_MS) as ask:
        counter.asks.end_waiting()
        await ask.wait(60)
    counter.submit("t1")
    assert (ask.taken, counter.box.in_line) == ([], 1)
