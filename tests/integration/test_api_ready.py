"""Whether a server is ready: its store, and the brokers between it and its workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers import Mosquitto, RedisServer, own_redis
from tests.unit.api.serving import PATIENCE_S, Server
from tests.unit.dispatch.builders import free_port

WEBHOOK = {"id": "hook", "protocol": "webhook", "url": "http://127.0.0.1:9/", "tags": ["w"]}


def behind(protocol: str, url: str, worker_id: str = "w1") -> dict[str, Any]:
    return {"id": worker_id, "protocol": protocol, "url": f"{url}/work", "tags": ["w"]}


async def until(server: Server, holds: Callable[[int, Any], bool]) -> Any:
    """What `/ready` says, once something holds of its status and body."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            response = await server.http.get("/ready")
            if holds(response.status_code, response.json()):
                return response.json()
            await asyncio.sleep(0.01)  # brokers are dialled beside


async def test_without_brokers_the_store_decides(server: Server) -> None:
    await server.post("/workers", WEBHOOK, 201)
    assert await server.get("/ready") == {"status": "ready", "brokers": []}


async def test_brokers_are_told_with_who_is_behind_them(
    server: Server, redis_server: RedisServer, mosquitto: Mosquitto
) -> None:
    await server.post("/workers", behind("redis_stream", redis_server.url, "r1"), 201)
    await server.post("/workers", behind("redis_stream", redis_server.url, "r2"), 201)
    await server.post("/workers", behind("mqtt", mosquitto.url, "m1"), 201)
    told = await until(server, lambda status, body: status == 200)
    assert told == {
        "status": "ready",
        "brokers": [
            {"protocol": "mqtt", "address": f"127.0.0.1:{mosquitto.port}", "status": "up", "workers": 1},
            {"protocol": "redis_stream", "address": f"{redis_server.url}/0", "status": "up", "workers": 2},
        ],
    }


@pytest.mark.parametrize(
    ("protocol", "url", "address"),
    [
        ("redis_stream", "redis://127.0.0.1:{port}", "redis://127.0.0.1:{port}/0"),
        ("mqtt", "mqtt://127.0.0.1:{port}", "127.0.0.1:{port}"),
    ],
)
async def test_one_that_is_away_is_told_and_decides_where_all_workers_are_behind_it(
    server: Server, protocol: str, url: str, address: str
) -> None:
    port = free_port()
    await server.post("/workers", behind(protocol, url.format(port=port)), 201)
    alone = await until(server, lambda status, body: status == 503)
    assert alone["code"] == "brokers.away"
    assert address.format(port=port) in alone["detail"]
    await server.post("/workers", WEBHOOK, 201)
    away = {"protocol": protocol, "address": address.format(port=port), "status": "away", "workers": 1}
    assert await server.get("/ready") == {"status": "ready", "brokers": [away]}
    await server.call("DELETE", "/workers/hook", 204)
    assert (await server.refused("GET", "/ready", 503))["code"] == "brokers.away"
    await server.call("DELETE", "/workers/w1", 204)
    assert await server.get("/ready") == {"status": "ready", "brokers": []}


async def test_a_broker_that_takes_no_password_of_a_worker_is_away_for_that_one(
    server: Server, redis_server: RedisServer
) -> None:
    await server.post("/workers", {**behind("redis_stream", redis_server.url), "token": "s3cret"}, 201)
    await server.post("/workers", behind("redis_stream", redis_server.url, "other"), 201)
    told = await until(server, lambda status, body: "away" in str(body))
    assert sorted(broker["status"] for broker in told["brokers"]) == ["away", "up"]
    assert "s3cret" not in str(told)


async def test_a_broker_that_comes_back_makes_ready(server: Server) -> None:
    with own_redis() as redis:
        await server.post("/workers", behind("redis_stream", redis.url), 201)
        redis.stop()
        await until(server, lambda status, body: status == 503)
        redis.start()
        told = await until(server, lambda status, body: status == 200)
    assert [broker["status"] for broker in told["brokers"]] == ["up"]


async def test_another_broker_that_is_up_is_enough(server: Server, redis_server: RedisServer) -> None:
    port = free_port()
    await server.post("/workers", behind("mqtt", f"mqtt://127.0.0.1:{port}", "m1"), 201)
    await server.post("/workers", behind("redis_stream", redis_server.url, "r1"), 201)
    told = await until(server, lambda status, body: "away" in str(body.get("brokers")))
    assert [(broker["protocol"], broker["status"]) for broker in told["brokers"]] == [
        ("mqtt", "away"),
        ("redis_stream", "up"),
    ]
