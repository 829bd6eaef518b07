"""A server that is killed or stopped loses nothing and does nothing twice."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.e2e import kills
from tests.e2e.followers import Users
from tests.e2e.processes import Client, Server, working
from tests.e2e.shapes import chain


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel who holds the write lock")
async def test_a_server_that_is_killed_again_and_again_keeps_every_promise() -> None:
    outcome = await kills.prove(kills=5, at_once=25, seed=20)

    assert outcome.faults == []
    assert outcome.kills == 5


async def test_a_server_that_is_stopped_goes_on_where_it_was(server: Server, client: Client, tmp_path: Path) -> None:
    async with working("tests.e2e.counting_worker", tmp_path, "--slow-ms", "100") as worker:
        await client.register("counter", worker, ["count"])
        await client.save(chain.document)
        runs = [await client.start("chain", input={"k": 0}) for _ in range(10)]

        code = await server.stop()
        await server.start()

        users = Users(client)
        users.up.set()
        async with asyncio.timeout(20):
            for run in runs:
                users.shown[run["id"]] = 0
                await users.follow(run["id"], chain, {"k": 0})
    assert code == 0
    assert users.faults == []
