"""Runs in sessions, as tests start them, and a worker that answers when a test says so."""

from __future__ import annotations

from typing import Any

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, asking, straight
from tests.unit.dispatch.builders import HttpWorker, answer

SAY = {"type": "task", "worker_tags": ["w"], "reads": ["messages"], "output_mapping": {"messages": "said"}}
CHAT: dict[str, Any] = {
    "id": "chat",
    "state_schema": {
        "messages": {"type": "array", "reducer": "add_messages"},
        "n": {"type": "integer", "reducer": "add"},
    },
    "nodes": {"say": SAY, "count": {"type": "transform", "updates": {"n": 1}}},
    "edges": [["__start__", "say"], ["say", "count"], ["count", "__end__"]],
}
DOCUMENTS = (CHAT, straight(), asking())
"""The workflows of these tests."""
LATER = answer({}, 202)


async def start(server: Server, session: str = "s", workflow: str = "straight", status: int = 201, **body: Any) -> Any:
    return await server.post(f"/workflows/{workflow}/runs", {"session_id": session, **body}, status)


async def ended(server: Server, session: str = "s", workflow: str = "straight", **body: Any) -> Any:
    return await server.settled((await start(server, session, workflow, **body))["id"])


async def say(server: Server, text: str, session: str = "s", **body: Any) -> Any:
    message = {"role": "user", "content": text}
    return await start(server, session, "chat", input={"messages": message}, **body)


async def held(server: Server, worker: HttpWorker, count: int = 1) -> None:
    """Wait until the worker has got so many tasks, all of which it answers later."""
    await worker.until(lambda: len(worker.seen) == count)


async def has_worker(server: Server, worker: HttpWorker, most: int = 1) -> None:
    worker.script = [LATER]
    await server.post("/workers", {**W, "url": f"{worker.url}/w", "max_concurrent": most}, 201)


async def reply(server: Server, worker: HttpWorker, number: int, text: str) -> None:
    """Answer the worker's n-th task, from 0."""
    path = worker.seen[number].body["reply_to"].partition("/v1")[2]
    await server.post(path, {"output": {"said": {"role": "assistant", "content": text}}})


async def status(server: Server, run: Any) -> str:
    return str((await server.get(f"/runs/{run['id']}"))["status"])


def texts(state: Any) -> list[str]:
    return [message["content"] for message in state["messages"]]
