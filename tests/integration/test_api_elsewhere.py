"""An attempt that a worker has lost is made by another one, over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.integration.pulling import Asked, P, answered, leased
from tests.integration.talking import ended
from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import Handler, HttpWorker, Seen, answer, drop, hang, raw

DONE = answer({"output": "done"})
LATER = answer({}, 202)
TELLS: list[Handler] = [
    answer({"error": {"code": "worker.lost", "message": "no", "retryable": True}}, 503),
    raw(b"no", "text/plain", 500),
]


def trying(**job: Any) -> dict[str, Any]:
    """A workflow whose job is tried twice, the second time soon."""
    document = working("trying")
    document["nodes"]["job"] |= {"timeout_ms": 300, "retry": {"max_attempts": 2, "initial_interval_ms": 1}, **job}
    return document


DOCUMENTS = (trying(),)


def does(**handlers: Handler) -> Handler:
    """What workers do, by the path at which they are asked."""

    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        return await handlers[seen.path.removeprefix("/")](seen, request)

    return handle


async def has(server: Server, worker: HttpWorker, *names: str, **fields: Any) -> None:
    """Register workers, the first of which is asked first by the session."""
    worker.script = [DONE]
    for name in names:
        row = {**W, "id": name, "url": f"{worker.url}/{name}", "max_concurrent": 4, **fields}
        await server.post("/workers", row, 201)
        if name == names[0]:
            await ended(server, workflow="trying")
    worker.seen.clear()


def took(worker: HttpWorker) -> list[str]:
    return [seen.path.removeprefix("/") for seen in worker.seen]


@pytest.mark.parametrize("fails", [hang, drop, LATER, raw(b"", "", 503)], ids=["hangs", "drops", "accepts", "503"])
async def test_who_gives_no_answer_is_not_asked_again_while_another_one_is_there(
    server: Server, worker: HttpWorker, fails: Handler
) -> None:
    await has(server, worker, "one", "two")
    worker.script = [does(one=fails, two=DONE)]
    first = await ended(server, workflow="trying")
    second = await ended(server, workflow="trying")
    assert (first["status"], second["status"], took(worker)) == ("completed", "completed", ["one", "two", "two"])


@pytest.mark.parametrize("fails", TELLS, ids=["an error object", "500"])
async def test_who_tells_an_error_is_asked_again(server: Server, worker: HttpWorker, fails: Handler) -> None:
    await has(server, worker, "one", "two")
    worker.script = [fails, DONE]
    assert (await ended(server, workflow="trying"))["status"] == "completed"
    assert took(worker) == ["one", "one"]


async def test_who_gives_no_answer_is_asked_again_where_nobody_else_is_there(
    server: Server, worker: HttpWorker
) -> None:
    await has(server, worker, "one")
    worker.script = [drop, DONE]
    assert (await ended(server, workflow="trying"))["status"] == "completed"
    assert took(worker) == ["one", "one"]


async def test_who_gave_no_answer_before_a_restart_is_not_asked_after_it(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", trying(retry={"max_attempts": 2, "initial_interval_ms": 500}), 201)
        await has(server, worker, "one", "two")
        worker.script = [does(one=drop, two=DONE)]
        run = await server.post("/workflows/trying/runs", {"session_id": "s"}, 201)
        await worker.until(lambda: took(worker) == ["one"])
        await _until_it_is_tried_again(server, run["id"])
    async with a_server(tmp_path) as server:
        assert (await server.settled(run["id"]))["status"] == "completed"
    assert took(worker) == ["one", "two"]


async def _until_it_is_tried_again(server: Server, run_id: str) -> None:
    while True:
        (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
        if task["status"] == "retrying":
            return
        await server.wired.engine.loop.idle()


async def test_a_lease_that_lapses_goes_to_another_one_where_both_ask(server: Server) -> None:
    for name in ("one", "other"):
        await server.post("/workers", {**P, "id": name, "max_concurrent": 4}, 201)
    run = await server.post("/workflows/trying/runs", {}, 201)
    (lost,) = await leased(server, worker_id="one", lease_ms=100)
    asked = Asked(server)
    asking = {name: asyncio.create_task(leased(server, worker_id=name)) for name in ("one", "other")}
    await asked.until(lambda: asked.count == 2)
    (item,) = await asking["other"]
    assert (lost["task"]["attempt"], item["task"]["attempt"], asking["one"].done()) == (1, 2, False)
    asking["one"].cancel()
    await answered(server, item, {"output": 1})
    assert (await server.settled(run["id"]))["status"] == "completed"
