"""The bounds of the outbox, and its end."""

from __future__ import annotations

import asyncio
from time import process_time

from engine.model import TaskId
from engine.outbox import Accepted, Answered
from tests.unit.dispatch.builders import PATIENCE_S, a_worker
from tests.unit.dispatch.desk import DOWN, Desk


async def test_deliveries_at_a_time_are_bounded_over_all_workers():
    desk = Desk(max_deliveries=2)
    desk.workers(a_worker("w1", max_concurrent=9), a_worker("w2", max_concurrent=9, tags=("y",)))
    desk.submit("t1", "t2", "t3")
    desk.submit("y1", tags=("y",))
    assert (desk.told.order, desk.told.reasons) == (["t1", "t2"], [("t3", "capacity"), ("y1", "capacity")])
    await desk.come_back("t1", Accepted())
    await desk.sent("t2")
    desk.box.release(TaskId("t2"))
    assert desk.told.order == ["t1", "t2", "t3", "y1"]
    await desk.box.close(0)


async def test_a_freed_slot_does_not_exceed_the_bound_on_deliveries():
    desk = Desk(max_deliveries=2)
    desk.workers(a_worker("w1"), a_worker("w2", max_concurrent=9, tags=("y",)))
    desk.submit("t1", "t2")
    await desk.come_back("t1", Accepted())
    desk.submit("y1", "y2", tags=("y",))
    desk.box.release(TaskId("t1"))
    assert desk.told.order == ["t1", "y1", "y2"]
    await desk.come_back("y1", Answered(body=1))
    assert desk.told.order == ["t1", "y1", "y2", "t2"]
    await desk.box.close(0)


async def test_after_closing_nothing_is_sent_whoever_registers(desk):
    desk.submit("t1")
    await desk.box.close(0)
    desk.workers(a_worker())
    assert desk.told.order == []


async def test_closing_waits_for_what_is_under_way_and_sends_nothing_more(desk):
    desk.workers(a_worker())
    desk.submit("t1", "t2")
    await desk.sent("t1")
    closing = asyncio.ensure_future(desk.box.close(PATIENCE_S))
    await desk.come_back("t1", Answered(body=1))
    await closing
    desk.submit("t3")
    assert (desk.told.replies, desk.told.order) == ({"t1": Answered(body=1)}, ["t1"])
    assert desk.transport.closed


async def test_closing_aborts_what_takes_longer_than_the_grace(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await desk.sent("t2")
    await desk.box.close(0)
    await desk.box.close(0)
    assert (sorted(desk.transport.aborted), desk.told.replies) == (["t1", "t2"], {})


async def test_what_cannot_be_sent_while_closing_is_not_sent_to_another_worker(desk):
    desk.workers(a_worker("w1"), a_worker("w2"))
    desk.submit("t1")
    await desk.sent("t1")
    closing = asyncio.ensure_future(desk.box.close(PATIENCE_S))
    await desk.come_back("t1", DOWN)
    await closing
    assert (desk.told.order, desk.told.reasons, desk.later.pending) == (["t1"], [], [])


async def test_a_listener_may_release_what_it_is_just_told_about(desk):
    desk.workers(a_worker())
    desk.told.on_reply = lambda work, reply: desk.box.release(work.task_id)
    desk.submit("t1", "t2")
    await desk.come_back("t1", Accepted())
    assert desk.told.order == ["t1", "t2"]


async def test_closing_stops_the_delays(desk):
    desk.workers(a_worker(max_concurrent=2))
    desk.submit("t1", "t2")
    await desk.come_back("t1", DOWN)
    await desk.box.close(0)
    assert desk.later.pending == []


async def test_ten_thousand_waiting_tasks_and_two_hundred_workers_are_quick(desk):
    desk.workers(*(a_worker(f"w{number}", tags=(f"x{number % 10}",)) for number in range(200)))
    begun = process_time()
    for number in range(10_000):
        desk.submit(f"t{number}", tags=(f"x{number % 10}",))
    assert process_time() - begun < 2
    assert len(desk.told.dispatches) == 200
    begun = process_time()
    for number in range(200, 1_200):
        await desk.come_back(f"t{number - 200}", Answered(body=None))
    assert len(desk.told.dispatches) == 1_200
    assert process_time() - begun < 3
