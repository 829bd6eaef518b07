"""Forks of runs that are under way: the run goes on as if nobody had looked."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.unit.api.serving import Server, asking, working
from tests.unit.dispatch.builders import HttpWorker, Seen, answer

RETRIED = working("retried")
RETRIED["nodes"]["job"]["retry"] = {"max_attempts": 2, "initial_interval_ms": 300}
EXPIRING = asking("expiring")
EXPIRING["nodes"]["ask"] |= {"expires_in_ms": 500, "on_expire": 7}
DOCUMENTS = (working(), RETRIED, EXPIRING)


async def started(server: Server, workflow: str) -> Any:
    return await server.post(f"/workflows/{workflow}/runs", {}, 201)


async def fork_of(server: Server, run: Any) -> Any:
    return await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": f"{run['id']}.1"}, 201)


async def register(server: Server, worker: HttpWorker, **metadata: Any) -> None:
    row = {
        "id": "w",
        "url": worker.url,
        "protocol": "webhook",
        "tags": ["w"],
        "max_concurrent": 8,
        "metadata": metadata,
    }
    await server.post("/workers", row, 201)


async def ended(server: Server, *runs: Any) -> list[Any]:
    """The runs, once their streams have ended."""
    async with asyncio.timeout(10):
        for run in runs:
            await server.http.get(f"/runs/{run['id']}/stream")
    return [await server.get(f"/runs/{run['id']}") for run in runs]


async def test_a_task_that_waits_for_a_worker_waits_on(server: Server, worker: HttpWorker) -> None:
    run = await started(server, "working")
    fork = await fork_of(server, run)

    await register(server, worker)

    assert [found["status"] for found in await ended(server, run, fork)] == ["completed"] * 2
    assert {seen.body["run_id"] for seen in worker.seen} == {run["id"], fork["id"]}


async def test_a_worker_that_is_at_it_is_not_disturbed(server: Server, worker: HttpWorker) -> None:
    may_answer = asyncio.Event()

    async def later(seen: Seen, request: web.Request) -> web.StreamResponse:
        await may_answer.wait()
        return web.Response(body=b'{"output": "late"}', content_type="application/json")

    worker.script = [later, answer({"output": "at once"})]
    await register(server, worker, cancel=True)
    run = await started(server, "working")
    await worker.until(lambda: len(worker.seen) == 1)

    fork = await fork_of(server, run)
    (forked,) = await ended(server, fork)
    may_answer.set()

    assert (forked["status"], forked["state"]) == ("completed", {"out": "at once"})
    assert [(found["status"], found["state"]) for found in await ended(server, run)] == [("completed", {"out": "late"})]
    assert [(seen.method, seen.body["run_id"]) for seen in worker.seen] == [("POST", run["id"]), ("POST", fork["id"])]


async def test_a_retry_comes_when_it_is_due(server: Server, worker: HttpWorker) -> None:
    again = {"error": {"code": "busy", "message": "not now", "retryable": True}}
    worker.script = [answer(again, 500), answer({"output": "done"})]
    await register(server, worker)
    run = await started(server, "retried")
    async with asyncio.timeout(10):
        while (await server.get(f"/runs/{run['id']}"))["tasks"][0]["status"] != "retrying":  # noqa: ASYNC110
            await asyncio.sleep(0)  # it is seen from outside only

    fork = await fork_of(server, run)

    assert [found["status"] for found in await ended(server, run, fork)] == ["completed"] * 2


async def test_an_interrupt_expires_when_it_is_due(server: Server) -> None:
    run = await server.post("/workflows/expiring/runs?wait=10", {}, 201)
    opened = f"{run['id']}.{run['checkpoint_count']}"

    fork = await server.post(f"/runs/{run['id']}/fork", {"checkpoint_id": opened}, 201)

    assert [found["state"] for found in await ended(server, run, fork)] == [{"answer": 7}] * 2
