"""Whom a run tells is told, also when the server is killed before, in the middle of, or right after telling it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.e2e.processes import Client, Server
from tests.unit.api.serving import straight
from tests.unit.dispatch.builders import PATIENCE_S, HttpWorker, answer, hang, http_worker

HERE = answer({})
RUNS, ARRIVED, HANGING = 12, 5, 4


def times(receiver: HttpWorker) -> Counter[str]:
    """How often each run was told, by its id."""
    return Counter(seen.body["data"]["run_id"] for seen in receiver.seen)


async def delivered(client: Client, runs: list[Any]) -> list[Any]:
    """The webhooks of runs, once all have arrived."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while True:
            found = [(await client.run(run["id"]))["webhook"] for run in runs]
            if all(webhook["status"] == "delivered" for webhook in found):
                return found


async def test_a_server_that_is_killed_while_it_tells_tells_it_again(server: Server, client: Client) -> None:
    async with http_worker() as receiver:
        receiver.script = [HERE] * ARRIVED + [hang]
        await client.save(straight())
        runs = [await client.start("straight", wait=30, webhook=receiver.url) for _ in range(RUNS)]
        await receiver.until(lambda: len(receiver.seen) == ARRIVED + HANGING)
        cut_off = [seen.body["data"]["run_id"] for seen in receiver.seen[ARRIVED:]]

        server.kill()
        receiver.script = [HERE]
        await server.start()
        told = await delivered(client, runs)

        found = times(receiver)
        assert set(found) == {run["id"] for run in runs}
        assert [found[run] for run in cut_off] == [2] * HANGING
        assert max(found.values()) == 2
        assert {seen.headers["webhook-id"] for seen in receiver.seen} == {webhook["notice_id"] for webhook in told}


async def test_what_ended_just_before_a_kill_is_told(server: Server, client: Client) -> None:
    async with http_worker() as receiver:
        receiver.script = [HERE]
        await client.save(straight())
        runs = []
        for _ in range(3):
            runs.append(await client.start("straight", wait=30, webhook=receiver.url))
            server.kill()
            await server.start()
        await delivered(client, runs)
        assert set(times(receiver)) == {run["id"] for run in runs}
