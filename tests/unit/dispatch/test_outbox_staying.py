"""The outbox with a transport that stays with what a worker has taken: slots, ends, and a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dispatch._envelope import Envelope
from dispatch._transport import Taken, refused
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Refused, Reply
from engine.ports import WorkerRow
from tests.unit.dispatch.builders import PATIENCE_S, a_work, a_worker
from tests.unit.dispatch.desk import Desk, Scripted

DONE = Answered(body={"output": 1})


class Staying(Scripted):
    """A transport that tells at once what a task is called, and then stays with it."""

    def __init__(self) -> None:
        super().__init__()
        self.resumed: list[tuple[Any, float]] = []

    async def attend(self, worker: WorkerRow, task: Envelope, timeout_s: float, taken: Taken) -> Reply:
        taken({"name": task.message_id})
        return await self.deliver(worker, task, timeout_s)

    async def resume(self, worker: WorkerRow, task: Envelope, timeout_s: float, ref: Any) -> Reply:
        self.resumed.append((ref, timeout_s))
        return await self.deliver(worker, task, timeout_s)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    found = Desk(Staying(), max_deliveries=1)
    found.workers(a_worker(max_concurrent=2))
    yield found
    await found.box.close(0)


async def at_work(desk: Desk, *names: str) -> None:
    await desk.transport.until(lambda: set(names) <= desk.transport.under_way.keys())


async def test_what_is_taken_is_no_delivery_any_more_but_holds_its_slot(desk: Desk) -> None:
    desk.submit("t1", "t2", "t3")
    await at_work(desk, "t1", "t2")
    assert desk.told.replies == {"t1": Accepted(ref={"name": "t1"}), "t2": Accepted(ref={"name": "t2"})}
    assert (desk.box.under_way, desk.box.in_line) == (0, 1)


async def test_its_answer_frees_the_slot(desk: Desk) -> None:
    desk.submit("t1", "t2", "t3")
    await at_work(desk, "t1", "t2")
    await desk.come_back("t1", DONE)
    await at_work(desk, "t3")
    assert desk.told.replies["t1"] == DONE
    assert desk.box.under_way == 0


async def test_a_failure_afterwards_is_one_of_the_attempt(desk: Desk) -> None:
    desk.submit("t1")
    await at_work(desk, "t1")
    await desk.come_back("t1", refused("agent.failed", "no luck"))
    assert isinstance(desk.told.replies["t1"], Refused)
    assert desk.box.under_way == 0


async def test_one_that_is_released_is_left(desk: Desk) -> None:
    desk.submit("t1", "t2", "t3")
    await at_work(desk, "t1", "t2")
    desk.box.release(TaskId("t1"))
    await at_work(desk, "t3")
    assert desk.transport.aborted == ["t1"]
    assert desk.box.under_way == 0


async def test_one_whose_time_is_over_does_not_speak_against_the_way_to_the_worker(desk: Desk) -> None:
    desk.box.submit(a_work("t1", timeout_ms=1))
    await desk.told.until(lambda: isinstance(desk.told.replies.get("t1"), Refused))
    reply = desk.told.replies["t1"]
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.transport) == ("timeout", False)


async def test_the_end_does_not_wait_for_it(desk: Desk) -> None:
    desk.submit("t1")
    await at_work(desk, "t1")
    async with asyncio.timeout(PATIENCE_S):
        await desk.box.close(3600)
    assert desk.transport.aborted == ["t1"]
    assert desk.told.replies == {"t1": Accepted(ref={"name": "t1"})}


async def test_after_a_restart_it_is_stayed_with_again_for_the_time_that_is_left(desk: Desk) -> None:
    work = a_work("t1", accepted_by="w1", accepted_ref={"name": "t1"}, deadline=desk.now + 5000)
    desk.box.submit(work)
    await at_work(desk, "t1")
    assert desk.transport.resumed == [({"name": "t1"}, 5.0)]
    assert desk.told.dispatches == []
    await desk.come_back("t1", DONE)
    assert (desk.told.replies["t1"], desk.box.under_way) == (DONE, 0)


async def test_what_has_no_name_is_waited_for_as_before(desk: Desk) -> None:
    desk.box.submit(a_work("t1", accepted_by="w1", deadline=desk.now + 5000))
    desk.submit("t2", "t3")
    await at_work(desk, "t2")
    assert (desk.transport.resumed, desk.box.in_line) == ([], 1)
