"""What the official client of Agent2Agent 0.3 makes of the agent for its conformance kit: `python … URL`.

It does what the kit does, and prints one JSON object: what came of each thing by its name, an error as its code. It
runs in an environment of its own, and knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable
from typing import Any

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientJSONRPCError
from a2a.types import (
    DataPart,
    FilePart,
    FileWithBytes,
    JSONRPCErrorResponse,
    Message,
    Part,
    Role,
    TaskIdParams,
    TaskQueryParams,
    TextPart,
)


def said(text: str, about: str = "text", part: Any = None, **fields: Any) -> Message:
    given = Part(root=part or TextPart(text=text))
    return Message(message_id=f"test-{about}-message-id-{uuid.uuid4()}", role=Role.user, parts=[given], **fields)


def plain(event: Any) -> Any:
    """What a client gives, as JSON: the task that it has put together, or a message."""
    found = event[0] if isinstance(event, tuple) else event
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


async def caught(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except A2AClientJSONRPCError as error:
        return {"code": error.error.code}


class Kit:
    """The kit against one agent."""

    def __init__(self, http: httpx.AsyncClient, url: str, unary: Any, streaming: Any) -> None:
        self.http, self.url, self.unary, self.streaming = http, url, unary, streaming

    async def send(self, message: Message, client: Any = None) -> Any:
        return [plain(event) async for event in (client or self.unary).send_message(message)][-1]

    async def stream(self, message: Message) -> Any:
        return [plain(event) async for event in self.streaming.send_message(message)]

    async def get(self, task_id: str, length: int | None = None) -> Any:
        return plain(await self.unary.get_task(TaskQueryParams(id=task_id, history_length=length)))

    async def cancel(self, task_id: str) -> Any:
        return plain(await self.unary.cancel_task(TaskIdParams(id=task_id)))

    async def resubscribe(self, task_id: str) -> Any:
        return [plain(event) async for event in self.streaming.resubscribe(TaskIdParams(id=task_id))]

    async def refused(self, task_id: str) -> Any:
        """The error of a subscription; the client itself reads nothing but streams there."""
        body = {"jsonrpc": "2.0", "id": "r", "method": "tasks/resubscribe", "params": {"id": task_id}}
        response = await self.http.post(self.url, json=body)
        return {"code": JSONRPCErrorResponse.model_validate(response.json()).error.code}

    async def goes_on(self) -> Any:
        first = await self.send(said("Hello!"))
        turns = [await self.send(said(f"turn {number}", task_id=first["id"])) for number in range(3)]
        with_context = said("more", task_id=first["id"], context_id=first["contextId"])
        found = {"first": first, "turns": turns, "context": await self.send(with_context)}
        lengths = {str(length): await self.get(first["id"], length) for length in (0, 1, 2)}
        return {**found, **lengths, "unset": await self.get(first["id"])}

    async def ends(self) -> Any:
        first = await self.send(said("Hello!"))
        done = await self.send(said("bye", task_id=first["id"]))
        return {
            "done": done,
            "again": await caught(self.send(said("more", task_id=first["id"]))),
            "cancel": await caught(self.cancel(first["id"])),
            "resubscribe": await self.refused(first["id"]),
        }

    async def cancelled(self) -> Any:
        task = await self.send(said("Hello!"))
        return [await self.cancel(task["id"]), await caught(self.cancel(task["id"]))]

    async def data(self) -> Any:
        given: list[Any] = [{"key": "value", "nested": {"array": [1, 2, 3]}}, {"value": [{"n": 1}]}]
        return [await self.send(said("", part=DataPart(data=one))) for one in given]

    async def errors(self) -> Any:
        file = FilePart(file=FileWithBytes(bytes="dGNr", mime_type="application/x-unsupported", name="a.bin"))
        task = await self.send(said("Hello!"))
        return {
            "get": await caught(self.get("nothing")),
            "cancel": await caught(self.cancel("nothing")),
            "send": await caught(self.send(said("x", task_id="nothing"))),
            "resubscribe": await self.refused("nothing"),
            "file": await caught(self.send(said("", part=file))),
            "context": await caught(self.send(said("x", task_id=task["id"], context_id="another"))),
        }

    async def long(self) -> Any:
        """A long stream, and another one to the same task that begins with its first event."""
        begun, first = time.monotonic(), list[Any]()
        again: asyncio.Task[Any] | None = None
        async for event in self.streaming.send_message(said("x", about="resubscribe")):
            first.append(plain(event))
            again = again or asyncio.create_task(self.resubscribe(first[0]["id"]))
        assert again is not None
        return {"first": first, "again": await again, "seconds": time.monotonic() - begun}


async def main(url: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        unary, streaming = (
            ClientFactory(ClientConfig(httpx_client=http, streaming=each)).create(card) for each in (False, True)
        )
        kit = Kit(http, card.url, unary, streaming)
        found = {
            "goes_on": await kit.goes_on(),
            "ends": await kit.ends(),
            "cancelled": await kit.cancelled(),
            "data": await kit.data(),
            "errors": await kit.errors(),
            "stream": await kit.stream(said("Hello!")),
            "long": await kit.long(),
        }
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
