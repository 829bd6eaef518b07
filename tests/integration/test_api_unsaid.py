"""What a worker is asked with is never read again, not even where it repeats it in what it says of a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import Handler, HttpWorker, Seen, answer

TOKEN, KEY = "tok-SECRET", "key-SECRET"
W = {"id": "w1", "tags": ["w"], "token": TOKEN, "headers": {"X-Key": KEY}}
CHAT = {"metadata": {"model": "m"}}
OVER_HTTP = [{"protocol": "webhook"}, {"protocol": "api_chat"}, {"protocol": "openai_chat", **CHAT}]


def repeated(padding: int = 0) -> Handler:
    async def handle(seen: Seen, request: web.Request) -> web.StreamResponse:
        text = "x" * padding + f"not {seen.headers['Authorization']} with {seen.headers['X-Key']}"
        return web.Response(status=401, text=text)

    return handle


async def all_that_is_told(server: Server, worker: HttpWorker, way: dict[str, Any], said: Handler) -> str:
    worker.script = [said]
    await server.post("/workers", {**W, "url": worker.url, **way}, 201)
    await server.post("/workflows", working(), 201)
    run = await server.post("/workflows/working/runs?wait=10", {}, 201)
    assert run["status"] == "failed"
    task = await server.get(f"/runs/{run['id']}/tasks/{run['tasks'][0]['id']}")
    letters = await server.get(f"/dead-letters?run_id={run['id']}")
    assert letters["items"]
    return json.dumps([run, task, letters, await server.get("/workers/w1")])


@pytest.mark.parametrize("way", OVER_HTTP, ids=lambda way: way["protocol"])
@pytest.mark.parametrize("padding", [0, 984])
async def test_a_body_that_repeats_them_is_kept_without(
    server: Server, worker: HttpWorker, way: dict[str, Any], padding: int
) -> None:
    told = await all_that_is_told(server, worker, way, repeated(padding))
    assert "tok" not in told.replace("tokens", "")
    assert "key-" not in told


@pytest.mark.parametrize("way", OVER_HTTP, ids=lambda way: way["protocol"])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_that_repeats_them_is_kept_without(
    server: Server, worker: HttpWorker, way: dict[str, Any], status: int
) -> None:
    error = {"code": "no", "message": f"not {TOKEN}", "details": {"seen": [KEY]}, "param": KEY, "retryable": False}
    told = await all_that_is_told(server, worker, way, answer({"error": error}, status))
    assert (TOKEN in told, KEY in told, "not ***" in told) == (False, False, True)


async def test_in_a_good_answer_they_are_data(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({"output": TOKEN})]
    await server.post("/workers", {**W, "url": worker.url, "protocol": "webhook"}, 201)
    await server.post("/workflows", working(), 201)
    run = await server.post("/workflows/working/runs?wait=10", {}, 201)
    assert run["state"]["out"] == TOKEN
