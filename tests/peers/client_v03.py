"""What the official client of Agent2Agent 0.3 makes of our agents: `python client_v03.py BASE`, prints one JSON object;
with a token behind it what it makes of pushes and of the extended card.

It runs in an environment of its own, and knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import uuid
from typing import Any

import httpx
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.types import (
    DataPart,
    DeleteTaskPushNotificationConfigParams,
    DeleteTaskPushNotificationConfigRequest,
    DeleteTaskPushNotificationConfigSuccessResponse,
    FilePart,
    FileWithBytes,
    GetTaskPushNotificationConfigParams,
    ListTaskPushNotificationConfigParams,
    ListTaskPushNotificationConfigRequest,
    ListTaskPushNotificationConfigSuccessResponse,
    Message,
    Part,
    PushNotificationAuthenticationInfo,
    PushNotificationConfig,
    Role,
    Task,
    TaskIdParams,
    TaskPushNotificationConfig,
    TaskQueryParams,
)
from pushed import Receiver, receiving


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

    async def client(self, name: str, *, streaming: bool, polling: bool = False, told: Any = ()) -> Any:
        card = await A2ACardResolver(self.http, f"{self.base}/{name}").get_agent_card()
        config = ClientConfig(
            httpx_client=self.http, streaming=streaming, polling=polling, push_notification_configs=list(told)
        )
        return ClientFactory(config).create(card)

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

    async def file(self) -> Any:
        """A file: the modes of the skill, the task, and what is at the address that the history tells."""
        card = await A2ACardResolver(self.http, f"{self.base}/filing").get_agent_card()
        content = base64.b64encode(b"\xfb\xff\xfe thread").decode()
        message = said({"n": 4})
        file = FileWithBytes(bytes=content, name="a.png", mime_type="image/png")
        message.parts.append(Part(root=FilePart(file=file)))
        task = (await self.events("filing", message))[-1]["task"]
        fetched = await self.http.get(task["history"][0]["parts"][1]["file"]["uri"])
        return [card.skills[0].input_modes, task, fetched.content.hex()]

    # ---- pushes

    async def pushes(self, receiver: Receiver) -> Any:
        """Be told of a task from its message on, and of another one from its question on."""
        known = PushNotificationAuthenticationInfo(schemes=["Bearer"], credentials="letmein")
        wanted = PushNotificationConfig(url=f"{receiver.url}/sent", token="mine", authentication=known)
        client = await self.client("straight", streaming=False, told=[wanted])
        async for _ in client.send_message(said({"n": 4})):
            pass
        asked = (await self.events("asking", said({})))[-1]["task"]
        configs = await self.configs(asked["id"], receiver)
        await self.events("asking", said({"resume": 7}, task_id=asked["id"], context_id=asked["contextId"]))
        told = [*await receiver.at("/sent", 2), *await receiver.at("/kept", 2)]
        for one in told:
            one["body"] = plain(Task.model_validate(one["body"]))
        return {"told": told, "gone": [one for one in receiver.told if one["path"] == "/gone"], **configs}

    async def configs(self, task_id: str, receiver: Receiver) -> Any:
        """Two configs made, one got and deleted, the other one listed."""
        client = await self.client("asking", streaming=False)
        for name in ("gone", "kept"):
            config = PushNotificationConfig(id=name, url=f"{receiver.url}/{name}")
            wanted = TaskPushNotificationConfig(task_id=task_id, push_notification_config=config)
            made = await client.set_task_callback(wanted)
        params = GetTaskPushNotificationConfigParams(id=task_id, push_notification_config_id="gone")
        got = await client.get_task_callback(params)
        deleted = DeleteTaskPushNotificationConfigRequest(
            id="d", params=DeleteTaskPushNotificationConfigParams(id=task_id, push_notification_config_id="gone")
        )
        DeleteTaskPushNotificationConfigSuccessResponse.model_validate(await self.asked(deleted))
        wish = ListTaskPushNotificationConfigRequest(id="l", params=ListTaskPushNotificationConfigParams(id=task_id))
        listed = ListTaskPushNotificationConfigSuccessResponse.model_validate(await self.asked(wish))
        return {"made": plain(made), "got": plain(got), "listed": [plain(one) for one in listed.result]}

    async def asked(self, request: Any) -> Any:
        """The response to what the client has no method for, only types."""
        return (await self.http.post(f"{self.base}/asking", json=plain(request))).json()

    async def extended(self) -> Any:
        client = await self.client("asking", streaming=False)
        return plain(await client.get_card())


async def with_token(base: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(timeout=30, headers=headers) as http, receiving() as receiver:
        peer = Peer(http, base)
        print(json.dumps({"pushes": await peer.pushes(receiver), "extended": await peer.extended()}))


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
            "file": await peer.file(),
        }
    print(json.dumps(found))


asyncio.run(with_token(*sys.argv[1:]) if sys.argv[2:] else main(sys.argv[1]))
