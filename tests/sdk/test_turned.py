"""How tasks come is one flag: a worker may be started again under its id over any other transport."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from clew import Client
from tests.e2e.processes import NotReady, running
from tests.sdk.serving import a_worker, one_task
from tests.servers import Mosquitto, RedisServer

WAYS = ["webhook", "pull", "websocket", "redis_stream", "websocket", "mqtt", "pull", "webhook", "websocket", "webhook"]


async def test_the_same_worker_comes_one_way_after_the_other(
    tmp_path: Path, clew: Client, redis_server: RedisServer, mosquitto: Mosquitto
) -> None:
    brokers = {"redis_stream": ["--broker", redis_server.url], "mqtt": ["--broker", mosquitto.url]}
    worker_id = f"turns-{uuid4().hex[:8]}"
    for way in WAYS:
        words = ["--id", worker_id, "--transport", way, *brokers.get(way, [])]
        async with running(a_worker(tmp_path, clew.url, *words)):
            assert (await clew.workers.get(worker_id)).protocol == way
            assert (await clew.runs.start(one_task("shout"), wait=30)).state["out"] == "GO ON"


@pytest.mark.parametrize(
    ("broker", "why"),
    [
        ("localhost", "expected mqtt://[user:password@]host[:port], not 'localhost'"),
        ("http://me:secret@host", "expected mqtt://[user:password@]host[:port], not 'http://host'"),
    ],
)
async def test_a_broker_that_is_none_is_told(tmp_path: Path, broker: str, why: str) -> None:
    worker = a_worker(tmp_path, "http://127.0.0.1:9", "--transport", "mqtt", "--broker", broker)
    with pytest.raises(NotReady):
        await worker.start()
    assert why in worker.said()
    assert "secret" not in worker.said()
