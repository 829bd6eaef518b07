"""The outbox over webhooks, against real servers on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiohttp import web

from dispatch._http import Http
from dispatch._outbox import WorkerOutbox
from dispatch._registry import open_transports
from engine.model import TaskId
from engine.outbox import Accepted, Answered, Refused
from tests.unit.dispatch.builders import (
    FakeLater,
    Seen,
    Told,
    a_request,
    a_work,
    a_worker,
    answer,
    by_id,
    drop,
    free_port,
    hang,
    reply_to,
    some_tools,
)


def clock() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
async def later() -> FakeLater:
    return FakeLater()


@pytest.fixture
async def told() -> Told:
    return Told()


@pytest.fixture
async def box(later: FakeLater, told: Told) -> AsyncIterator[WorkerOutbox]:
    http = Http()
    transports = open_transports(some_tools(http, clock=clock))
    found = WorkerOutbox(transports, clock=clock, reply_to=reply_to, later=later)
    found.listen(told)
    yield found
    await found.close(0)
    await http.close()


async def test_two_hundred_at_a_time_and_never_more_than_a_worker_takes(box, told, worker):
    """A thousand tasks over four workers of fifty slots; the first two hundred are answered when all are there."""
    everybody = asyncio.Event()
    most: dict[str, int] = {}

    async def gather(seen: Seen, request: web.Request) -> web.Response:
        most[seen.path] = max(most.get(seen.path, 0), worker.active[seen.path])
        if worker.peak == 200:
            everybody.set()
        await everybody.wait()
        return web.json_response({"output": seen.body["task_id"]})

    worker.script = [gather]
    rows = [a_worker(f"w{number}", url=f"{worker.url}/w{number}", max_concurrent=50) for number in range(4)]
    box.workers_changed(by_id(*rows))
    for number in range(1_000):
        box.submit(a_work(f"t{number}"))
    await told.until(lambda: len(told.replies) == 1_000)
    assert told.replies == {f"t{n}": Answered(body={"output": f"t{n}"}) for n in range(1_000)}
    assert (worker.peak, most) == (200, {f"/w{number}": 50 for number in range(4)})
    assert told.order == [f"t{number}" for number in range(1_000)]


async def test_a_task_waits_for_a_worker_and_goes_out_when_one_registers(box, told, worker):
    box.submit(a_work("t1"))
    assert told.reasons == [("t1", "no_worker")]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    assert await told.reply("t1") == Answered(body={"output": "done"})


async def test_attempts_send_the_same_bytes_but_for_what_may_vary(box, told, worker):
    request = a_request(prompt="ü", state={"k": orjson.Fragment(b'{"b": 1,  "a": 2.50}')}, config={"z": 1, "a": 2})
    worker.script = [answer({}, status=500), answer({"output": 1})]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    for attempt in (1, 2):
        box.submit(a_work(request=request, attempt=attempt, secret=f"s{attempt}"))
        await told.until(lambda attempt=attempt: len(worker.seen) == attempt and len(told.replies) == 1)
        told.replies.clear()
    first, second = worker.seen
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"] == "t1"
    assert (first.body["attempt"], second.body["attempt"]) == (1, 2)
    same, marker = first.raw.split(b',"attempt":')[0], b'{"b": 1,  "a": 2.50}'
    assert second.raw.startswith(same + b',"attempt":2')
    assert marker in same
    assert set(orjson.loads(first.raw[len(same) + 1 :].join((b"{", b"")))) == {
        "attempt", "turn", "resume", "deadline", "reply_to", "trace"
    }  # fmt: skip


async def test_an_attempt_that_hangs_times_out_and_hangs_up(box, told, worker):
    worker.script = [hang]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    box.submit(a_work("t1", timeout_ms=100))
    reply = await told.reply("t1")
    assert isinstance(reply, Refused)
    assert (reply.error.code, reply.retryable, reply.transport) == ("timeout", True, True)
    async with asyncio.timeout(10):
        await worker.hung_up.wait()
    at, deadline = told.deadlines["t1"]
    assert deadline - at == 100


async def test_releasing_a_task_hangs_up_and_frees_the_slot(box, told, worker):
    worker.script = [hang, answer({"output": 2})]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    box.submit(a_work("t1"))
    box.submit(a_work("t2"))
    await worker.until(lambda: len(worker.seen) == 1)
    box.release(TaskId("t1"))
    assert await told.reply("t2") == Answered(body={"output": 2})
    async with asyncio.timeout(10):
        await worker.hung_up.wait()
    assert "t1" not in told.replies


async def test_after_a_202_the_slot_is_free_when_the_task_is_released(box, told, worker):
    worker.script = [answer({}, status=202), answer({"output": 2})]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    box.submit(a_work("t1"))
    box.submit(a_work("t2"))
    assert await told.reply("t1") == Accepted()
    assert (len(worker.seen), told.reasons) == (1, [("t2", "capacity")])
    box.release(TaskId("t1"))
    assert await told.reply("t2") == Answered(body={"output": 2})


async def test_what_could_not_be_sent_is_sent_when_the_worker_is_back(box, told, later):
    port = free_port()
    box.workers_changed(by_id(a_worker(url=f"http://127.0.0.1:{port}/")))
    box.submit(a_work("t1"))
    await told.until(lambda: told.reasons == [("t1", "unreachable")])
    assert (told.order, later.pending) == (["t1"] * 3, [5.0])

    async def handle(request: web.BaseRequest) -> web.Response:
        return web.json_response((await request.json())["attempt"])

    server = await asyncio.get_running_loop().create_server(web.Server(handle), "127.0.0.1", port)
    try:
        later.fire()
        assert await told.reply("t1") == Answered(body=1)
    finally:
        server.close()
        await server.wait_closed()


async def test_a_worker_that_drops_three_in_a_row_is_left_alone(box, told, later, worker):
    worker.script = [drop]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    for number in range(4):
        box.submit(a_work(f"t{number}"))
    await told.until(lambda: ("t3", "unreachable") in told.reasons)
    assert (len(worker.seen), later.pending) == (3, [5.0])


async def test_errors_of_the_application_do_not_make_a_worker_left_alone(box, told, later, worker):
    worker.script = [answer({"error": {"code": "c", "message": "m"}}, status=503)]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    for number in range(5):
        box.submit(a_work(f"t{number}"))
    await told.until(lambda: len(told.replies) == 5)
    assert (len(worker.seen), later.pending) == (5, [])


async def test_closing_hangs_up_after_the_grace(later, told, worker):
    worker.script = [hang]
    http = Http()
    box = WorkerOutbox(open_transports(some_tools(http, clock=clock)), clock=clock, reply_to=reply_to, later=later)
    box.listen(told)
    box.workers_changed(by_id(a_worker(url=worker.url)))
    box.submit(a_work("t1"))
    await worker.until(lambda: len(worker.seen) == 1)
    async with asyncio.timeout(10):
        await box.close(0.01)
        await worker.hung_up.wait()
    await http.close()
    assert told.replies == {}


async def test_closing_lets_an_answer_that_is_on_its_way_come_in(box, told, worker):
    closing = asyncio.Event()

    async def late(seen: Seen, request: web.Request) -> Any:
        await closing.wait()
        return web.json_response(1)

    worker.script = [late]
    box.workers_changed(by_id(a_worker(url=worker.url)))
    box.submit(a_work("t1"))
    await worker.until(lambda: len(worker.seen) == 1)
    async with asyncio.TaskGroup() as group:
        group.create_task(box.close(10))
        closing.set()
    assert told.replies == {"t1": Answered(body=1)}
