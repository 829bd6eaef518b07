"""Workers that ask for their tasks, and a server that is killed meanwhile: nothing is lost or counts twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp

from tests.e2e.processes import Client, Server, Told
from tests.unit.api.serving import working
from tests.unit.dispatch.builders import PATIENCE_S

ASKED = {"tags": ["w"], "max": 10, "wait_ms": 10_000, "lease_ms": 60_000}
RUNS = 30


async def leased(client: Client, **asked: Any) -> list[Any]:
    found: list[Any] = (await client.ask("POST", "/tasks/lease", {**ASKED, **asked}))["items"]
    return found


async def answer(client: Client, item: Any, body: Any) -> int:
    """Post an answer to where the task says; the status of the response."""
    async with client.session.post(item["reply_to"], json=body) as response:
        return response.status


async def accepted(client: Client, run_id: str) -> None:
    """Wait until it is durable that the task of a run was taken."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            task = (await client.run(run_id))["tasks"][0]
            if task["status"] == "running" and not task["pending_ack"]:
                return


async def ended(client: Client, run_id: str) -> Any:
    async with asyncio.timeout(4 * PATIENCE_S):
        while (run := await client.run(run_id))["status"] == "running":
            continue
    return run


async def test_what_was_leased_before_a_kill_is_answered_after_it(server: Server, client: Client) -> None:
    await client.save(working())
    run_id = (await client.start("working"))["id"]
    (item,) = await leased(client)
    await accepted(client, run_id)
    server.kill()
    await server.start()
    assert await leased(client, wait_ms=0) == []
    assert await answer(client, item, {"output": 1}) == 200
    run = await ended(client, run_id)
    assert (run["status"], run["state"]["out"], run["tasks"][0]["attempt"]) == ("completed", 1, 1)
    assert await answer(client, item, {"output": 2}) == 409


async def test_a_lease_lapses_also_where_the_server_was_killed(server: Server, client: Client) -> None:
    await client.save(working())
    run_id = (await client.start("working"))["id"]
    await leased(client, lease_ms=1000)
    await accepted(client, run_id)
    server.kill()
    await server.start()
    (again,) = await leased(client)
    assert again["task"]["attempt"] == 2
    assert await answer(client, again, {"output": 2}) == 200
    assert (await ended(client, run_id))["state"]["out"] == 2


async def test_who_hangs_up_while_it_waits_keeps_nothing_from_the_next(server: Server, client: Client) -> None:
    await client.save(working())
    async with aiohttp.ClientSession() as impatient:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5), impatient.post(f"{client.url}/tasks/lease", json=ASKED) as response:
                await response.read()
    run_id = (await client.start("working"))["id"]
    (item,) = await leased(client)  # long before a lease would have lapsed
    assert item["task"]["run_id"] == run_id


async def work(client: Client, done: dict[str, int]) -> None:
    """Ask, and answer each task once the server takes it; what cannot be reached is asked again."""
    while True:
        with suppress(aiohttp.ClientError, Told):
            for item in await leased(client, max=3, wait_ms=500, lease_ms=2000):
                await answer_at_last(client, item, done)


async def answer_at_last(client: Client, item: Any, done: dict[str, int]) -> None:
    while True:
        with suppress(aiohttp.ClientError):
            status = await answer(client, item, {"output": item["task"]["run_id"]})
            if status == 200:
                done[item["task"]["task_id"]] = done.get(item["task"]["task_id"], 0) + 1
            if status in (200, 409):
                return


async def test_nothing_is_lost_or_counts_twice_when_the_server_is_killed(server: Server, client: Client) -> None:
    await client.save(working())
    runs = [(await client.start("working"))["id"] for _ in range(RUNS)]
    done: dict[str, int] = {}
    workers = [asyncio.ensure_future(work(client, done)) for _ in range(3)]
    try:
        for _ in range(3):
            server.kill()
            await server.start()
        found = [await ended(client, run_id) for run_id in runs]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert [(run["status"], run["state"]["out"]) for run in found] == [("completed", run_id) for run_id in runs]
    assert set(done.values()) <= {1}
