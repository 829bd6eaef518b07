"""Whoever is told of a task by push is told everything in order, also when the server is killed before, in the middle
of, or right after telling it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Client, Server, serving
from tests.unit.api.serving import asking
from tests.unit.dispatch.builders import PATIENCE_S, HttpWorker, answer, hang, http_worker

HERE, FAILS = answer({}), answer({}, 500)
ALL = ["WORKING", "INPUT_REQUIRED", "WORKING", "artifact", "COMPLETED"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """`clew serve` that may push to this machine."""
    async with serving(tmp_path, env={"CLEW_PRIVATE_PUSHES": "1", "CLEW_WEBHOOK_RETRY_S": "0.05"}) as found:
        yield found


async def said(client: Client, data: Any, configuration: Any = None, **fields: Any) -> Any:
    """The task that a message to the workflow leads to."""
    message = {"role": "ROLE_USER", "parts": [{"data": data}], **fields}
    params = {"message": message, "configuration": configuration or {}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
    url = client.url.removesuffix("/v1") + "/a2a/asking"
    async with client.session.post(url, json=body, headers={"A2A-Version": "1.0"}) as response:
        return (await response.json())["result"]["task"]


async def began(client: Client, *urls: str) -> Any:
    """A task that asks, of which these addresses are told."""
    await client.save(asking())
    first, *more = ({"id": str(number), "url": url} for number, url in enumerate(urls))
    task = await said(client, {}, {"taskPushNotificationConfig": first}, messageId="m1")
    for config in more:
        params = {"taskId": task["id"], **config}
        body = {"jsonrpc": "2.0", "id": 1, "method": "CreateTaskPushNotificationConfig", "params": params}
        url = client.url.removesuffix("/v1") + "/a2a/asking"
        async with client.session.post(url, json=body, headers={"A2A-Version": "1.0"}) as response:
            assert "result" in await response.json()
    return task


async def delivered(client: Client, task: Any, count: int) -> None:
    """Return once so many notices of a task are there, and all have arrived."""
    async with asyncio.timeout(2 * PATIENCE_S):
        while True:
            found = (await client.ask("GET", "/notices", run_id=task["id"]))["items"]
            if len(found) == count and all(notice["status"] == "delivered" for notice in found):
                return


def heard(receiver: HttpWorker) -> list[str]:
    """What has been told, each thing once, in the order in which it came first."""
    once = {seen.headers["webhook-id"]: seen.body for seen in receiver.seen}
    return [
        body["statusUpdate"]["status"]["state"].removeprefix("TASK_STATE_") if "statusUpdate" in body else "artifact"
        for body in once.values()
    ]


async def test_a_server_that_is_killed_while_it_pushes_goes_on_where_it_was(server: Server, client: Client) -> None:
    async with http_worker() as receiver, http_worker() as other:
        receiver.script, other.script = [HERE, hang], [HERE]
        task = await began(client, receiver.url, other.url)
        await said(client, {"resume": 7}, taskId=task["id"], messageId="m2")
        await receiver.until(lambda: len(receiver.seen) == 2)
        await other.until(lambda: len(other.seen) == 3)

        server.kill()
        receiver.script = [HERE]
        await server.start()
        await delivered(client, task, len(ALL) + 3)

        ids = [seen.headers["webhook-id"] for seen in receiver.seen]
        assert (heard(receiver), heard(other)) == (ALL, ALL[2:])
        assert ids[1] == ids[2] and len(ids) == len(ALL) + 1


async def test_what_was_written_just_before_a_kill_is_pushed(server: Server, client: Client) -> None:
    async with http_worker() as receiver:
        receiver.script = [FAILS]
        task = await began(client, receiver.url)
        server.kill()
        await server.start()
        await said(client, {"resume": 7}, taskId=task["id"], messageId="m2")
        server.kill()
        receiver.script = [HERE]
        await server.start()
        await delivered(client, task, len(ALL))
        assert heard(receiver) == ALL


async def test_a_config_that_was_taken_is_there_after_a_kill(server: Server, client: Client) -> None:
    async with http_worker() as receiver:
        receiver.script = [HERE]
        task = await began(client, receiver.url, f"{receiver.url}/second")
        server.kill()
        await server.start()
        await said(client, {"resume": 7}, taskId=task["id"], messageId="m2")
        await delivered(client, task, len(ALL) + 3)
        assert sum(seen.path == "/second" for seen in receiver.seen) >= 3
