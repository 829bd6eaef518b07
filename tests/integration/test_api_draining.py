"""A server that is emptied before it ends, and web pages of other origins that may ask it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.unit.api.serving import a_server, asking, straight, working
from tests.unit.dispatch.builders import answer, http_worker

PAGE = "https://page.example"


async def test_a_server_that_is_drained_begins_nothing_and_takes_answers(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), asking()):
            await server.post("/workflows", document, 201)
        asked = await server.post("/workflows/asking/runs?wait=30", {}, 201)
        assert await server.post("/admin/drain") == {"draining": True, "deliveries": 0}
        refused = await server.refused("POST", "/workflows/straight/runs", 503, json={})
        ready = await server.refused("GET", "/ready", 503)
        await server.post(f"/runs/{asked['id']}/resume", {"resume": 3})
        assert (refused["code"], ready["code"]) == ("server.draining", "server.draining")
        assert (await server.settled(asked["id"]))["status"] == "completed"
        assert len((await server.get("/runs"))["items"]) == 1


async def test_what_workers_hold_ends_and_what_waits_is_sent_once_it_takes_work_again(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server, http_worker() as worker:
        let_go = asyncio.Event()

        async def slowly(seen: Any, request: Any) -> Any:
            await let_go.wait()
            return await answer({"output": 1})(seen, request)

        worker.script = [slowly, answer({"output": 2})]
        await server.post("/workers", {"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        await server.post("/workflows", working(), 201)
        first, second = [(await server.post("/workflows/working/runs", {}, 201))["id"] for _ in range(2)]
        await worker.until(lambda: len(worker.seen) == 1)
        assert (await server.post("/admin/drain"))["deliveries"] == 1
        let_go.set()
        done = await server.settled(first)
        waits = await server.get(f"/runs/{second}")
        assert (done["state"], waits["status"], len(worker.seen)) == ({"out": 1}, "running", 1)
        await server.post("/admin/drain", {"draining": False})
        assert (await server.settled(second))["state"] == {"out": 2}


async def test_a_page_of_an_origin_that_is_set_may_ask(tmp_path: Path) -> None:
    async with a_server(tmp_path, cors_origins=(PAGE,), token="s") as server:
        asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        first = await server.http.options("/runs", headers=asks)
        then = await server.http.get("/runs", headers={"Origin": PAGE})
        other = await server.http.get("/runs", headers={"Origin": "https://other.example"})
    assert (first.status_code, first.headers["access-control-allow-origin"]) == (200, PAGE)
    assert (then.status_code, then.headers["access-control-allow-origin"]) == (401, PAGE)
    assert "access-control-allow-origin" not in other.headers


async def test_no_page_may_ask_where_none_is_set(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        found = await server.http.get("/runs", headers={"Origin": PAGE})
        assert "access-control-allow-origin" not in found.headers
