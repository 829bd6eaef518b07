"""What the official client of Agent2Agent 1.0 makes of our agents: `python client_v1.py BASE`, prints one JSON object;
with a token behind it what it makes of pushes and of the extended card.

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
from a2a.types.a2a_pb2 import (
    AuthenticationInfo,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetExtendedAgentCardRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value
from pushed import Receiver, receiving


def said(data: Any, at_once: bool = False, **fields: Any) -> SendMessageRequest:
    parts = [Part(data=ParseDict(data, Value()))]
    message = Message(message_id=str(uuid.uuid4()), role=Role.ROLE_USER, parts=parts, **fields)
    return SendMessageRequest(message=message, configuration=SendMessageConfiguration(return_immediately=at_once))


class Peer:
    """A client of one base address."""

    def __init__(self, http: httpx.AsyncClient, base: str) -> None:
        self.http, self.base = http, base

    async def client(self, name: str, *, streaming: bool) -> Any:
        card = await A2ACardResolver(self.http, f"{self.base}/{name}").get_agent_card()
        return ClientFactory(ClientConfig(httpx_client=self.http, streaming=streaming)).create(card)

    async def events(self, name: str, request: SendMessageRequest, *, streaming: bool = False) -> list[Any]:
        client = await self.client(name, streaming=streaming)
        return [MessageToDict(event) async for event in client.send_message(request)]

    async def unary(self) -> Any:
        return (await self.events("straight", said({"n": 4})))[-1]["task"]

    async def stream(self) -> Any:
        return await self.events("straight", said({"n": 4}), streaming=True)

    async def ask(self, streaming: bool = False) -> Any:
        first = (await self.events("asking", said({}), streaming=streaming))[0]["task"]
        answer = said({"resume": 7}, task_id=first["id"], context_id=first["contextId"])
        return [first, (await self.events("asking", answer, streaming=streaming))[-1]]

    async def cancel(self) -> Any:
        task = (await self.events("working", said({}, at_once=True)))[-1]["task"]
        client = await self.client("working", streaming=False)
        return [task, MessageToDict(await client.cancel_task(CancelTaskRequest(id=task["id"])))]

    async def resubscribe(self) -> Any:
        task = (await self.events("working", said({}, at_once=True)))[-1]["task"]
        client = await self.client("working", streaming=True)
        told = []
        async for event in client.subscribe(SubscribeToTaskRequest(id=task["id"])):
            told.append(MessageToDict(event))
            if len(told) == 1:
                await client.cancel_task(CancelTaskRequest(id=task["id"]))
        return told

    async def look(self) -> Any:
        task = await self.unary()
        client = await self.client("straight", streaming=False)
        got = MessageToDict(await client.get_task(GetTaskRequest(id=task["id"])))
        listed = MessageToDict(await client.list_tasks(ListTasksRequest(context_id=task["contextId"])))
        return [task, got, listed["tasks"]]

    async def file(self) -> Any:
        """A file: the modes of the skill, the task, and what is at the address that the history tells."""
        card = await A2ACardResolver(self.http, f"{self.base}/filing").get_agent_card()
        request = said({"n": 4})
        request.message.parts.append(Part(raw=b"\xfb\xff\xfe thread", filename="a.png", media_type="image/png"))
        task = (await self.events("filing", request))[-1]["task"]
        fetched = await self.http.get(task["history"][0]["parts"][1]["url"])
        return [list(card.skills[0].input_modes), task, fetched.content.hex()]

    # ---- pushes

    async def pushes(self, receiver: Receiver) -> Any:
        """Be told of a task from its message on, and of another one from its question on."""
        known = AuthenticationInfo(scheme="Bearer", credentials="letmein")
        wanted = TaskPushNotificationConfig(url=f"{receiver.url}/sent", token="mine", authentication=known)
        request = said({"n": 4})
        request.configuration.task_push_notification_config.CopyFrom(wanted)
        await self.events("straight", request)
        asked = (await self.events("asking", said({})))[0]["task"]
        configs = await self.configs(asked["id"], receiver)
        await self.events("asking", said({"resume": 7}, task_id=asked["id"], context_id=asked["contextId"]))
        told = [*await receiver.at("/sent", 3), *await receiver.at("/kept", 3)]
        for one in told:
            one["body"] = MessageToDict(ParseDict(one["body"], StreamResponse()))
        return {"told": told, "gone": [one for one in receiver.told if one["path"] == "/gone"], **configs}

    async def configs(self, task_id: str, receiver: Receiver) -> Any:
        """Two configs made, one got and deleted, the other one listed."""
        client = await self.client("asking", streaming=False)
        for name in ("gone", "kept"):
            wanted = TaskPushNotificationConfig(task_id=task_id, id=name, url=f"{receiver.url}/{name}")
            made = await client.create_task_push_notification_config(wanted)
        place = {"task_id": task_id, "id": "gone"}
        got = await client.get_task_push_notification_config(GetTaskPushNotificationConfigRequest(**place))
        await client.delete_task_push_notification_config(DeleteTaskPushNotificationConfigRequest(**place))
        wish = ListTaskPushNotificationConfigsRequest(task_id=task_id)
        listed = await client.list_task_push_notification_configs(wish)
        return {"made": MessageToDict(made), "got": MessageToDict(got), "listed": MessageToDict(listed)["configs"]}

    async def extended(self) -> Any:
        client = await self.client("asking", streaming=False)
        return MessageToDict(await client.get_extended_agent_card(GetExtendedAgentCardRequest()))


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
