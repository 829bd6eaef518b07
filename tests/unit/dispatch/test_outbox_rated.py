"""The outbox and what workers say of their rate limits."""

from __future__ import annotations

from dispatch._transport import refused
from engine.answer import RateLimit, Told
from engine.outbox import Answered
from tests.unit.dispatch.builders import a_worker


def left(remaining: int, **more: int) -> Answered:
    return Answered(body={"output": 1, "rate_limit": {"remaining": remaining, **more}})


async def test_what_an_answer_says_counts_before_its_slot_is_given_to_the_next(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.come_back("t1", left(0, reset_ms=500))
    assert (desk.told.order, desk.told.reasons[-1], desk.later.pending) == (["t1"], ("t2", "rate_limit"), [0.5])
    desk.later.fire()
    assert desk.told.order == ["t1", "t2"]


async def test_an_error_says_what_is_left_too(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    told = Told(rate_limit=RateLimit(remaining=0, reset_ms=500))
    await desk.come_back("t1", refused("busy", "no", told=told))
    assert (desk.told.order, desk.later.pending) == (["t1"], [0.5])


async def test_so_many_are_sent_as_the_worker_has_calls_left(desk):
    desk.workers(a_worker(max_concurrent=9))
    desk.submit("t0")
    await desk.come_back("t0", left(2, reset_ms=500))
    desk.submit("t1", "t2", "t3", "t4")
    assert desk.told.order == ["t0", "t1", "t2"]
    assert desk.told.reasons == [("t3", "rate_limit"), ("t4", "rate_limit")]
    await desk.come_back("t1", left(1, reset_ms=500))
    assert desk.told.order == ["t0", "t1", "t2", "t3"]


async def test_another_worker_gets_what_one_has_no_calls_left_for(desk):
    desk.workers(a_worker("w1", max_concurrent=9), a_worker("w2", max_concurrent=1))
    desk.submit("t1", served_by=("w1",))
    await desk.come_back("t1", left(0))
    desk.submit("t2", "t3", served_by=("w1",))
    assert desk.told.dispatches == [("t1", "w1"), ("t2", "w2")]
