"""What the official client of Agent2Agent 0.3 makes of our agents: `python client_v03.py BASE`, prints one JSON object.

It runs in an environment of its own, and knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from typing import Any

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import DataPart, Message, Part, Role, TaskIdParams, TaskQueryParams


def said(data: Any, **fields: Any) -> Message:
    return Message(message_id=str(uuid.uuid4()), role=Role.user, parts=[Part(root=DataPart(data=data))], **fields)


def plain(event: Any) -> Any:
    """What a client gives, as JSON: a task with what changed of it, or a message."""
    if isinstance(event, tuple):
        return {"task": plain(event[0]), "update": None if event[1] is None else plain(event[1])}
    return event.model_dump(mode="json", by_alias=True, exclude_none=True)


class Peer:
    """A client of one base address."""

    def __init__(self, http: httpx.AsyncClient, base: str) -> None:
        self.http, self.base = http, base

    async def client(self, name: str, *, streaming: bool, polling: bool = False) -> Any:
        card = await A2ACardResolver(self.http, f"{self.base}/{name}").get_agent_card()
        return ClientFactory(ClientConfig(httpx_client=self.http, streaming=streaming, polling=polling)).create(card)

    async def events(self, name: str, message: Message, *, streaming: bool = False, polling: bool = False) -> list[Any]:
        client = await self.client(name, streaming=streaming, polling=polling)
        return [plain(event) async for event in client.send_message(message)]

    async def unary(self) -> Any:
        return (await self.events("straight", said({"n": 4})))[-1]["task"]

    async def stream(self) -> Any:
        return await self.events("straight", said({"n": 4}), streaming=True)

    async def ask(self, streaming: bool = False) -> Any:
        first = (await self.events("asking", said({}), streaming=streaming))[-1]["task"]
        answer = said({"resume": 7}, task_id=first["id"], context_id=first["contextId"])
        return [first, (await self.events("asking", answer, streaming=streaming))[-1]]

    async def cancel(self) -> Any:
        task = (await self.events("working", said({}), polling=True))[-1]["task"]
        client = await self.client("working", streaming=False)
        return [task, plain(await client.cancel_task(TaskIdParams(id=task["id"])))]

    async def resubscribe(self) -> Any:
        task = (await self.events("working", said({}), polling=True))[-1]["task"]
        client = await self.client("working", streaming=True)
        told = []
        async for event in client.resubscribe(TaskIdParams(id=task["id"])):
            told.append(plain(event))
            if len(told) == 1:
                await client.cancel_task(TaskIdParams(id=task["id"]))
        return told

    async def look(self) -> Any:
        task = await self.unary()
        client = await self.client("straight", streaming=False)
        return [task, plain(await client.get_task(TaskQueryParams(id=task["id"])))]


async def main(base: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        peer = Peer(http, base)
        found = {
            "unary": await peer.unary(),
            "stream": await peer.stream(),
            "ask": await peer.ask(),
            "ask_streaming": await peer.ask(streaming=True),
            "cancel": await peer.cancel(),
            "resubscribe": await peer.resubscribe(),
            "look": await peer.look(),
        }
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
