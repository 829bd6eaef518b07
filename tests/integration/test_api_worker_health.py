"""Workers that say how they are: heartbeats, those that are silent, what they have, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.pulling import P, answered, begun, leased, until, waits
from tests.integration.test_api_workers import W, accepted
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, Watched, answer

DOCUMENTS = (working(),)
BEAT_MS = 100
PROMISED = {"health": {"heartbeat_ms": BEAT_MS}}


class Around(Watched):
    """Hears of workers that come and go."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        presence = server.wired.outbox._presence  # type: ignore[attr-defined]
        presence.listen(lambda worker_id, here: self.changed())
        self.presence = presence

    async def away(self, worker_id: str) -> None:
        await self.until(lambda: worker_id in self.presence)


async def test_what_a_worker_says_of_itself_is_shown(server: Server) -> None:
    await server.post("/workers", {**P, "health": {"heartbeat_ms": 60_000}}, 201)
    said = {"status": "ok", "inventory": ["ocr"], "resources": [{"resource_id": "r"}], "metrics": {"cpu": 0.5}}
    told = await server.post("/workers/p1/heartbeat", said)
    assert told == {"accepted": True, "status": "active", "heartbeat_ms": 60_000}
    shown = await server.get("/workers/p1")
    assert shown["health"] == {"heartbeat_ms": 60_000}
    assert shown["last_seen"] is not None
    assert (shown["reported_status"], shown["inventory"], shown["metrics"]) == ("ok", ["ocr"], {"cpu": 0.5})
    assert (shown["in_flight"], shown["circuit"], shown["away"], shown["reason"]) == (0, "closed", False, None)


async def test_what_a_heartbeat_leaves_out_stays(server: Server) -> None:
    await server.post("/workers", P, 201)
    await server.post("/workers/heartbeat", {"worker_id": "p1", "inventory": ["a"]})
    await server.post("/workers/p1/heartbeat")
    assert (await server.get("/workers/p1"))["inventory"] == ["a"]


@pytest.mark.parametrize("path", ["/workers/nobody/heartbeat", "/workers/heartbeat"])
async def test_nobody_unknown_is_heard(server: Server, path: str) -> None:
    body = {} if "nobody" in path else {"worker_id": "nobody"}
    assert (await server.refused("POST", path, 404, json=body))["code"] == "not_found"


@pytest.mark.parametrize("health", [{"heartbeat_ms": 0}, {}, {"heartbeat_ms": 1000, "more": 1}, 5])
async def test_a_promise_that_is_none_is_refused(server: Server, health: Any) -> None:
    await server.refused("POST", "/workers", 422, json={**P, "health": health})


async def test_a_worker_that_misses_its_heartbeats_is_left_alone_until_it_is_back(
    server: Server, worker: HttpWorker
) -> None:
    around = Around(server)
    await server.post("/workers", {**W, **PROMISED, "url": worker.url}, 201)
    await around.away("w1")
    shown = await server.get("/workers/w1")
    assert (shown["away"], shown["reason"]) == (True, "it has missed 3 heartbeats")
    run_id = await begun(server)
    assert (await until(server, run_id, waits))["reason"] == "unreachable"
    assert worker.seen == []
    await server.post("/workers/w1/heartbeat")
    assert (await server.settled(run_id))["status"] == "completed"


async def test_what_a_lost_worker_held_is_done_elsewhere(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {**W, **PROMISED, "url": worker.url}, 201)
    run_id = await begun(server)
    await worker.until(lambda: len(worker.seen) == 1)
    (item,) = await leased(server)
    assert item["task"]["attempt"] == 2
    await answered(server, item, {"output": 2})
    run = await server.settled(run_id)
    assert (run["status"], run["state"]["out"]) == ("completed", 2)
    attempts = (await server.get(f"/runs/{run_id}/tasks/{run['tasks'][0]['id']}"))["attempts"]
    (lost,) = (found for found in attempts if found["kind"] == "retry")
    assert (lost["error"]["code"], lost["error"]["retryable"]) == ("worker.lost", True)


async def test_what_a_silent_worker_held_before_a_restart_is_lost_too(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id, _, _ = await accepted(server, worker)
        await server.call("PATCH", "/workers/w1", json={"health": {"heartbeat_ms": BEAT_MS}})
    async with a_server(tmp_path) as server:
        (item,) = await leased(server)
        await answered(server, item, {"output": 2})
        assert (await server.settled(run_id))["state"]["out"] == 2


async def test_a_worker_that_says_that_it_drains_gets_nothing_more(server: Server, worker: HttpWorker) -> None:
    await server.post("/workers", {**W, "url": worker.url}, 201)
    await server.post("/workers/w1/heartbeat", {"status": "draining"})
    await until(server, await begun(server), waits)
    assert worker.seen == []
    await server.post("/workers/w1/heartbeat", {"status": "ok"})
    await worker.until(lambda: len(worker.seen) == 1)


async def test_the_older_path_takes_a_worker_up_again(server: Server) -> None:
    made = await server.post("/workers/register", P, 201)
    again = await server.post("/workers/register", {**P, "tags": ["w", "x"]}, 200)
    assert made["secret"]
    assert "secret" not in again
    assert (await server.get("/workers/p1"))["tags"] == ["w", "x"]
    await server.refused("POST", "/workers", 409, json=P)
