"""What the official client of Agent2Agent 1.0 makes of the agent for its conformance kit: `python … URL`.

It does what the kit does, and prints one JSON object: what came of each thing by its name, an error as its type. It
runs in an environment of its own, and knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types.a2a_pb2 import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
)
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict

SESSION = uuid.uuid4().hex[:8]
UNARY = ("complete-task", "artifact-text", "artifact-file", "artifact-file-url", "artifact-data", "message-response",
         "input-required", "reject-task")  # fmt: skip
STREAMED = ("stream-001", "stream-002", "stream-003", "stream-ordering-001", "stream-artifact-text",
            "stream-artifact-file", "stream-artifact-chunked", "message-response")  # fmt: skip


def said(about: str, text: str = "from the kit", parts: Any = None, config: Any = None, **fields: Any) -> Any:
    """A message whose id begins as the kit's do, and ends as no other run's."""
    begin = about if about.startswith("test-") else f"tck-{about}"
    message = Message(message_id=f"{begin}-{SESSION}", role=Role.ROLE_USER, parts=parts or [Part(text=text)], **fields)
    return SendMessageRequest(message=message, configuration=config or SendMessageConfiguration())


async def caught(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except A2AError as error:
        return {"error": type(error).__name__}


class Kit:
    """The kit against one agent."""

    def __init__(self, plain: Any, streaming: Any) -> None:
        self.plain, self.streaming = plain, streaming

    async def send(self, request: Any) -> Any:
        return [MessageToDict(event) async for event in self.plain.send_message(request)][-1]

    async def stream(self, request: Any) -> Any:
        return [MessageToDict(event) async for event in self.streaming.send_message(request)]

    async def get(self, task_id: str, **fields: Any) -> Any:
        return MessageToDict(await self.plain.get_task(GetTaskRequest(id=task_id, **fields)))

    async def cancel(self, task_id: str) -> Any:
        return MessageToDict(await self.plain.cancel_task(CancelTaskRequest(id=task_id)))

    async def subscribe(self, task_id: str, subscribed: asyncio.Event | None = None, most: int = 99) -> Any:
        """What a subscription tells; it says when it has begun, and is left after so many events."""
        told: list[Any] = []
        events = self.streaming.subscribe(SubscribeToTaskRequest(id=task_id))
        async for event in events:
            told.append(MessageToDict(event))
            if subscribed is not None:
                subscribed.set()
            if len(told) == most:
                await events.aclose()
                break
        return told

    async def completed(self) -> Any:
        return (await self.send(said("complete-task", "prerequisite")))["task"]

    async def working(self) -> Any:
        return (await self.send(said("input-required", "prerequisite")))["task"]

    async def finish(self, task: Any, **fields: Any) -> Any:
        return await self.send(said("complete-task", "follow-up", task_id=task["id"], **fields))

    # ---- what the kit does

    async def unary(self) -> Any:
        return {about: await self.send(said(about)) for about in UNARY}

    async def streams(self) -> Any:
        return {about: await self.stream(said(about, "streamed")) for about in STREAMED}

    async def resubscribe(self) -> Any:
        """A long stream, and another one to the same task that begins with its first event."""
        begun, first = time.monotonic(), list[Any]()
        events = self.streaming.send_message(said("test-resubscribe-message-id"))
        again: asyncio.Task[Any] | None = None
        async for event in events:
            first.append(MessageToDict(event))
            again = again or asyncio.create_task(self.subscribe(first[0]["task"]["id"]))
        assert again is not None
        return {"first": first, "again": await again, "seconds": time.monotonic() - begun}

    async def broadcast(self, closes: bool = False) -> Any:
        """Two subscriptions to a task that asks; then it is answered, once both have begun."""
        task, begun = await self.working(), [asyncio.Event(), asyncio.Event()]
        both = [
            asyncio.create_task(self.subscribe(task["id"], event, 1 if closes and place == 0 else 99))
            for place, event in enumerate(begun)
        ]
        await asyncio.gather(*(event.wait() for event in begun))
        if closes:
            await both[0]
        answered = await self.finish(task)
        return {"streams": await asyncio.gather(*both), "answered": answered}

    async def history(self) -> Any:
        task = await self.working()
        sent = await self.finish(task, config=SendMessageConfiguration(history_length=0))
        lengths = {str(length): await self.get(task["id"], history_length=length) for length in (0, 1, 2, 10)}
        return {"sent": sent, **lengths, "unset": await self.get(task["id"])}

    async def cancelled(self) -> Any:
        task = await self.working()
        over, again = await self.cancel(task["id"]), await caught(self.cancel(task["id"]))
        return {"task": task, "over": over, "again": again, "anew": await self.working()}

    async def contexts(self) -> Any:
        task = await self.working()
        wrong = said("mismatch", task_id=task["id"], context_id=f"wrong-{SESSION}")
        return {
            "own": await self.send(said("complete-task", "mine", context_id=f"client-{SESSION}")),
            "wrong": await caught(self.send(wrong)),
            "unfit": await caught(self.send(said("complete-task", context_id="two words"))),
            "inferred": [task, await caught(self.finish(task))],
        }

    async def errors(self) -> Any:
        task, raw = await self.completed(), [Part(raw=b"tck", media_type="application/x-unsupported-tck-type")]
        return {
            "terminal": await caught(self.send(said("terminal", task_id=task["id"]))),
            "unknown": await caught(self.send(said("multi-004", task_id="nothing"))),
            "get": await caught(self.get("nothing")),
            "cancel": await caught(self.cancel("nothing")),
            "subscribe": await caught(self.subscribe("nothing")),
            "over": await caught(self.subscribe(task["id"])),
            "content": await caught(self.send(said("send-003", parts=raw))),
        }

    async def modes(self) -> Any:
        at_once = SendMessageConfiguration(return_immediately=True)
        return {
            "at_once": await self.send(said("delayed-complete", "at once", config=at_once)),
            "waits": await self.send(said("delayed-complete", "waits")),
        }

    async def lists(self) -> Any:
        context = f"list-{SESSION}"
        made = [
            (await self.send(said("artifact-text", f"number {number}", context_id=context)))["task"]["id"]
            for number in range(3)
        ]
        first = await self.listed(context_id=context, page_size=2)
        rest = await self.listed(context_id=context, page_size=2, page_token=first["nextPageToken"])
        whole = await self.listed(context_id=context, include_artifacts=True)
        return {"made": made, "first": first, "rest": rest, "whole": whole, "none": await self.listed(context_id="-")}

    async def listed(self, **fields: Any) -> Any:
        found = await self.plain.list_tasks(ListTasksRequest(**fields))
        return MessageToDict(found, always_print_fields_with_no_presence=True)


async def main(url: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        card = await A2ACardResolver(http, url).get_agent_card()
        plain, streaming = (
            ClientFactory(ClientConfig(httpx_client=http, streaming=each)).create(card) for each in (False, True)
        )
        kit = Kit(plain, streaming)
        steps: dict[str, Callable[[], Awaitable[Any]]] = {
            "unary": kit.unary, "streams": kit.streams, "resubscribe": kit.resubscribe, "broadcast": kit.broadcast,
            "closed": lambda: kit.broadcast(closes=True), "history": kit.history, "cancelled": kit.cancelled,
            "contexts": kit.contexts, "errors": kit.errors, "modes": kit.modes, "lists": kit.lists,
        }  # fmt: skip
        print(json.dumps({name: await step() for name, step in steps.items()}))


asyncio.run(main(sys.argv[1]))
