"""Workers over Redis, from end to end: the worker of the page, and processes that are killed in the middle."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import LOOK_EVERY_S, ROOT, Client, Server, client_of, running
from tests.servers import RedisServer, own_redis

PAGE = ROOT / "docs/how-to/reach-workers-over-redis.md"
STEPS = 5
CHAIN: dict[str, Any] = {
    "id": "chain",
    "state_schema": {"said": {"type": "array", "reducer": "append"}},
    "nodes": {
        f"n{step}": {"type": "task", "worker_tags": ["shout"], "prompt_template": f"step {step}", "output_key": "said"}
        for step in range(STEPS)
    },
    "edges": [[f"n{step}" if step >= 0 else "__start__", f"n{step + 1}"] for step in range(-1, STEPS - 1)]
    + [[f"n{STEPS - 1}", "__end__"]],
}
SAID = [f"STEP {step}" for step in range(STEPS)]
RUNS = 40
PATIENCE_S = 60


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with own_redis() as server:
        yield server


def written() -> str:
    """The worker of the page, which takes over sooner than it says."""
    [program, *_] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert "min_idle_time=60_000" in program
    return program.replace("min_idle_time=60_000", "min_idle_time=1_000")


@contextmanager
def worker_of_the_page(redis: RedisServer, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The worker as a process, ended in the end."""
    env = {**os.environ, "REDIS_URL": redis.url}
    with (folder / "worker.out").open("ab") as output:
        process = subprocess.Popen([sys.executable, "-c", written()], env=env, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def registered(client: Client, redis: RedisServer) -> None:
    await client.save(CHAIN)
    row = {"id": "shouters", "url": f"{redis.url}/shouts", "protocol": "redis_stream", "tags": ["shout"]}
    await client.ask("POST", "/workers", {**row, "max_concurrent": 16})


async def begun(client: Client) -> list[str]:
    """The ids of runs, of which one at least is done."""
    ids = [(await client.start("chain"))["id"] for _ in range(RUNS)]
    await ended(client, ids[:1])
    return ids


async def ended(client: Client, ids: list[str]) -> list[Any]:
    """The runs, once they are at their ends."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        for run_id in ids:
            while (run := await client.run(run_id))["status"] not in ("completed", "failed"):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_EVERY_S)  # the server may have been another one before
            found.append(run)
    return found


def check(runs: list[Any]) -> None:
    assert [(run["status"], run["state"]) for run in runs] == [("completed", {"said": SAID})] * RUNS


async def test_runs_outlive_a_server_that_is_killed(tmp_path: Path, redis: RedisServer) -> None:
    server = Server(tmp_path)
    with worker_of_the_page(redis, tmp_path):
        async with running(server), client_of(server.url) as client:
            await registered(client, redis)
            ids = await begun(client)
            for _ in range(2):
                server.kill()
                await server.start()
            check(await ended(client, ids))


async def test_runs_outlive_a_redis_that_is_killed(tmp_path: Path, redis: RedisServer) -> None:
    server = Server(tmp_path)
    async with running(server), client_of(server.url) as client:
        await registered(client, redis)
        with worker_of_the_page(redis, tmp_path):
            ids = await begun(client)
            redis.kill()
        redis.start()
        with worker_of_the_page(redis, tmp_path):
            check(await ended(client, ids))


async def test_runs_outlive_a_worker_that_is_killed(tmp_path: Path, redis: RedisServer) -> None:
    server = Server(tmp_path)
    async with running(server), client_of(server.url) as client:
        await registered(client, redis)
        with worker_of_the_page(redis, tmp_path) as first, worker_of_the_page(redis, tmp_path):
            ids = await begun(client)
            first.kill()
            check(await ended(client, ids))
