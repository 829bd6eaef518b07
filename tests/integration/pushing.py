"""Pushes of tasks for tests: a server that may push to this machine, who asks it, and what a receiver heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.test_a2a_server import DOCUMENTS, V03, message, rpc
from tests.unit.api.serving import PATIENCE_S, Server, a_server
from tests.unit.dispatch.builders import HttpWorker, answer

QUICK = {"webhook_retry_s": 0.01, "webhook_timeout_s": PATIENCE_S, "private_pushes": True}
HERE, FAILS = answer({}), answer({}, 500)
TOKEN, CREDENTIALS = "a-token-of-the-client", "credentials-of-the-client"
ANSWER = {"resume": 7}
DATA_03 = {"kind": "data", "data": {}}


@asynccontextmanager
async def furnished(folder: Path, **settings: Any) -> AsyncIterator[Server]:
    """A server with workflows, that is quick to try again and may push to this machine."""
    async with a_server(folder, **{**QUICK, **settings}) as found:
        for document in DOCUMENTS:
            await found.http.post("/workflows", json=document)
        yield found


def config(receiver: HttpWorker, name: str = "mine", path: str = "/told", **fields: Any) -> Any:
    known = {"token": TOKEN, "authentication": {"scheme": "Bearer", "credentials": CREDENTIALS}}
    return {"id": name, "url": f"{receiver.url}{path}", **known, **fields}


async def sent(server: Server, workflow: str, told: Any = None, **fields: Any) -> Any:
    """The task that a message of 1.0 leads to, of which somebody is told."""
    given = message({"data": ANSWER if "taskId" in fields else {}}, **fields)
    given["configuration"] = {} if told is None else {"taskPushNotificationConfig": told}
    return (await rpc(server, workflow, "SendMessage", given))["result"]["task"]


async def sent_03(server: Server, workflow: str, told: Any, **fields: Any) -> Any:
    given = message(DATA_03, **fields) | {"configuration": {"pushNotificationConfig": told}}
    return (await rpc(server, workflow, "message/send", given, V03))["result"]


async def created(server: Server, task: Any, told: Any, workflow: str = "asking") -> Any:
    return await rpc(server, workflow, "CreateTaskPushNotificationConfig", {"taskId": task["id"], **told})


async def listed(server: Server, task: Any, workflow: str = "asking") -> Any:
    found = await rpc(server, workflow, "ListTaskPushNotificationConfigs", {"taskId": task["id"]})
    return found["result"]["configs"]


async def heard(receiver: HttpWorker, count: int, path: str = "/told") -> list[Any]:
    """What was pushed to a path, once there is so much."""
    await receiver.until(lambda: len(of(receiver, path)) >= count)
    return [seen.body for seen in of(receiver, path)]


def of(receiver: HttpWorker, path: str) -> list[Any]:
    return [seen for seen in receiver.seen if seen.path == path]


def states(bodies: Sequence[Any]) -> list[str]:
    """What a push of either version says."""
    found = []
    for body in bodies:
        if "artifactUpdate" in body:
            found.append("artifact")
        else:
            status = body["statusUpdate"]["status"] if "statusUpdate" in body else body["status"]
            found.append(status["state"].removeprefix("TASK_STATE_").lower().replace("_", "-"))
    return found


async def statuses(server: Server, task: Any, status: str) -> list[Any]:
    """The notices of a run, once all have this status."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = (await server.get(f"/notices?run_id={task['id']}"))["items"]
            if found and all(notice["status"] == status for notice in found):
                return list(found)
            await asyncio.sleep(0)  # the receiver is a task of this loop; nobody is told when an answer is written down
