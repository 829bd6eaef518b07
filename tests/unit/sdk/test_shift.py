"""A shift: a request is worked at once, no more tasks than slots, and an end that waits for what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clew import Cancelled, Task, Worker
from clew.worker.shift import Shift

TASK = {"task_id": "t", "worker_tags": ["a"]}


class Line:
    """A line that nobody listens to."""

    beat_s = 3600.0

    async def report(self, reports: Sequence[Any]) -> bool:
        return True

    async def heartbeat(self) -> bool:
        return True


class Working:
    """A worker whose function begins, waits until it may end, and says how often it was called."""

    def __init__(self, **options: Any) -> None:
        self.worker = Worker("w", **options)
        self.worker.task("a")(self.work)
        self.calls = 0
        self.fails = False
        self.begun, self.may_end = asyncio.Semaphore(0), asyncio.Event()

    async def work(self, task: Task) -> int:
        self.calls += 1
        self.begun.release()
        await self.may_end.wait()
        if self.fails:
            raise ValueError("broken")
        return self.calls


async def test_a_request_that_comes_again_joins_the_work_and_gets_its_answer() -> None:
    working = Working()
    async with Shift(working.worker) as shift:
        first = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        second = asyncio.create_task(shift.perform({**TASK, "attempt": 2}, "t", Line()))
        await asyncio.sleep(0)
        working.may_end.set()
        third = await asyncio.gather(first, second)
        assert third == [{"output": 1}, {"output": 1}]
        assert await shift.perform({**TASK, "attempt": 3}, "t", Line()) == {"output": 1}
    assert working.calls == 1


async def test_a_failure_is_worked_at_again() -> None:
    working = Working()
    working.may_end.set()
    working.fails = True
    async with Shift(working.worker) as shift:
        failed = await shift.perform(TASK, "t", Line())
        working.fails = False
        assert "error" in failed
        assert await shift.perform(TASK, "t", Line()) == {"output": 2}


async def test_answers_in_a_file_outlive_the_shift(tmp_path: Path) -> None:
    for _ in range(2):
        working = Working(answers=tmp_path / "answers.db")
        working.may_end.set()
        async with Shift(working.worker) as shift:
            assert await shift.perform(TASK, "t", Line()) == {"output": 1}
    assert working.calls == 0


async def test_no_more_tasks_are_worked_at_than_there_are_slots() -> None:
    working = Working(max_concurrent=2)
    async with Shift(working.worker) as shift:
        asked = [asyncio.create_task(shift.perform(TASK, f"t{n}", Line())) for n in range(3)]
        for _ in range(2):
            await working.begun.acquire()
        assert (working.calls, shift.free) == (2, 0)
        room = asyncio.create_task(shift.room())
        working.may_end.set()
        await asyncio.gather(room, *asked)
        assert (working.calls, shift.free) == (3, 2)


async def test_the_end_waits_for_what_is_under_way() -> None:
    working = Working()
    async with Shift(working.worker) as shift:
        asked = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        shift.close()
        drained = asyncio.create_task(shift.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        working.may_end.set()
        assert await drained
        assert await asked == {"output": 1}


async def test_what_is_not_done_in_time_is_left_behind() -> None:
    working = Working(grace_s=0.01)
    async with Shift(working.worker) as shift:
        asked = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        assert not await shift.drained()
    with pytest.raises(Cancelled):
        await asked


async def test_a_cancelled_task_says_so_and_is_not_kept() -> None:
    working = Working()
    async with Shift(working.worker) as shift:
        asked = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        shift.cancel("t")
        assert (await asked)["error"]["code"] == "worker.cancelled"
        working.may_end.set()
        assert await shift.perform(TASK, "t", Line()) == {"output": 2}


@pytest.mark.parametrize(
    ("body", "code"), [({"task_id": 5}, "worker.task"), ({"task_id": "t", "node": "n"}, "worker.no_function")]
)
async def test_what_cannot_be_worked_at_is_an_error(body: Any, code: str) -> None:
    worker = Working().worker
    worker.task("b")(lambda task: None)
    async with Shift(worker) as shift:
        answer = await shift.perform(body, "t", Line())
    assert (answer["error"]["code"], answer["error"]["retryable"]) == (code, False)
