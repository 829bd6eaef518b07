"""A shift: a request is worked at once, no more tasks than slots, and an end that waits for what there is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clew import Cancelled, Task, Worker
from clew.worker._reports import LineDown
from clew.worker.shift import Shift

TASK = {"task_id": "t", "worker_tags": ["a"]}


class Line:
    """A line that is always up; `beats` counts the heartbeats."""

    beat_s = 3600.0

    def __init__(self) -> None:
        self.beats = asyncio.Semaphore(0)

    async def report(self, reports: Sequence[Any]) -> bool:
        return True

    async def heartbeat(self) -> bool:
        self.beats.release()
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


async def test_a_request_that_comes_again_is_spoken_of_where_it_came_from_last() -> None:
    working, lines = Working(), [Line(), Line()]
    async with Shift(working.worker) as shift:
        first = asyncio.create_task(shift.perform(TASK, "t", lines[0]))
        await working.begun.acquire()
        second = asyncio.create_task(shift.perform({**TASK, "attempt": 2}, "t", lines[1]))
        async with asyncio.timeout(10):
            await lines[1].beats.acquire()
        working.may_end.set()
        await asyncio.gather(first, second)
    assert lines[0].beats.locked()


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


# ---- how the worker is


async def test_it_says_how_it_is_and_what_it_is_made_of() -> None:
    worker = Worker("w", version="0.1.0", metadata={"zone": "a", "runtimes": ["python", "playwright"]})
    worker.task("a")(lambda task: 1)
    async with Shift(worker) as shift:
        said = await shift.condition()
    inventory, metrics = said["inventory"], said["metrics"]
    assert (said["status"], metrics["working"], metrics["free"]) == ("idle", 0, 1)
    assert {"cpu", "cpus", "load", "memory_used", "memory_free", "memory_total", "disk_free"} <= metrics.keys()
    assert 0 < metrics["memory_used"] < metrics["memory_total"]
    assert inventory["packages"]["pydantic"]
    told = {name: worker.metadata[name] for name in ("version", "protocol_version", "runtimes", "zone")}
    assert told == {"version": "0.1.0", "protocol_version": 1, "runtimes": ["python", "playwright"], "zone": "a"}
    assert {"drain", "rebind", "resources"} <= set(worker.metadata["features"])
    assert "resources" not in said


async def _opened() -> list[str]:
    return ["tab-1"]


@pytest.mark.parametrize("resources", [["tab-1"], ("tab-1",), lambda: ["tab-1"], _opened])
async def test_it_says_what_it_alone_has(resources: Any) -> None:
    async with Shift(Worker("w", resources=resources)) as shift:
        assert (await shift.condition())["resources"] == ["tab-1"]


async def test_a_function_that_cannot_say_what_there_is_leaves_that_as_it_was() -> None:
    def broken() -> list[str]:
        raise OSError("the browser is gone")

    async with Shift(Worker("w", resources=broken)) as shift:
        assert "resources" not in await shift.condition()


async def test_what_a_task_has_made_is_told_before_its_answer() -> None:
    tabs: list[str] = []
    told: list[Any] = []
    worker = Worker("w", resources=tabs)
    worker.task("a")(lambda task: tabs.append("tab-1") if task.input else None)
    async with Shift(worker) as shift:

        async def beat() -> None:
            told.append((await shift.condition())["resources"])

        shift.beat = beat
        await beat()
        await shift.perform({**TASK, "input": 1}, "one", Line())
        assert told == [[], ["tab-1"]]
        await shift.perform(TASK, "two", Line())
        assert len(told) == 2


async def test_an_answer_comes_also_where_the_server_cannot_be_told() -> None:
    worker = Worker("w", resources=["tab-1"])
    worker.task("a")(lambda task: "done")
    async with Shift(worker) as shift:

        async def beat() -> None:
            raise OSError("nobody there")

        shift.beat = beat
        assert await shift.perform(TASK, "t", Line()) == {"output": "done"}


# ---- what follows a task


def _asks(task: Task) -> None:
    task.interrupt("which?")


def _fails(task: Task) -> None:
    raise ValueError("broken")


ENDS: dict[str, Any] = {"output": lambda task: 1, "error": _fails, "interrupt": _asks}


@pytest.mark.parametrize("ended", ENDS)
async def test_what_follows_a_task_is_called_however_that_ends_and_before_its_answer(ended: str) -> None:
    function = ENDS[ended]
    called: list[Any] = []
    worker = Worker("w")
    worker.task("a")(function)

    @worker.after_task
    def plain(task: Task, answer: Any) -> None:
        called.append((task.task_id, next(iter(answer))))

    @worker.after_task
    async def later(task: Task, answer: Any) -> None:
        called.append("later")
        raise RuntimeError("it cannot be released")

    async with Shift(worker) as shift:
        answer = await shift.perform(TASK, "t", Line())
        assert called == [("t", ended), "later"]
    assert ended in answer


async def test_what_follows_a_task_is_called_where_it_is_cancelled_and_once() -> None:
    working, called = Working(), list[Any]()
    working.worker.after_task(lambda task, answer: called.append(answer["error"]["code"]))
    async with Shift(working.worker) as shift:
        performed = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        shift.cancel("t")
        await performed
    assert called == ["worker.cancelled"]


async def test_what_follows_a_task_is_called_where_the_worker_has_to_end_at_once() -> None:
    working, called = Working(), list[Any]()

    @working.worker.after_task
    async def release(task: Task, answer: Any) -> None:
        await asyncio.sleep(0)
        called.append(answer["error"]["code"])

    async with Shift(working.worker) as shift:
        performed = asyncio.create_task(shift.perform(TASK, "t", Line()))
        await working.begun.acquire()
        shift.close()
        shift.close()
        with pytest.raises(asyncio.CancelledError):
            await performed
    assert called == ["worker.cancelled"]


class Unsteady(Line):
    """A line that may be down; `tried` counts what is sent over it, in vain or not."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True
        self.tried = asyncio.Semaphore(0)

    async def report(self, reports: Sequence[Any]) -> bool:
        self.tried.release()
        if self.down:
            raise LineDown("away")
        return True


async def test_that_reports_wait_is_said_once_and_that_they_go_on(caplog: pytest.LogCaptureFixture) -> None:
    worker, lines = Worker("w", max_concurrent=2), {"t": Unsteady(), "u": Unsteady()}
    both = asyncio.Barrier(2)

    @worker.task("a")
    async def report(task: Task) -> None:
        line = lines[task.task_id]
        for down in (True, True, True, False):
            await both.wait()
            line.down = down
            task.log("a line")
            await line.tried.acquire()

    with caplog.at_level("INFO", "clew.worker"):
        async with asyncio.timeout(10), Shift(worker) as shift:
            asked = [shift.perform({**TASK, "task_id": name}, name, line) for name, line in lines.items()]
            await asyncio.gather(*asked)
    assert caplog.messages == ["reports wait: away", "reports go on"]
