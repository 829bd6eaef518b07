"""A worker that speaks MQTT, for tests: it remembers what came, and answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiomqtt
import orjson
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.unit.dispatch.builders import Watched


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """A message that reached a worker."""

    topic: str
    raw: bytes
    properties: dict[str, Any]
    """Those of MQTT 5, as paho names them; the user properties by their names."""

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def reply_to(self) -> str:
        """Where to answer: what MQTT 5 says, else the body."""
        return str(self.properties.get("ResponseTopic") or self.body["reply_to"])


Answer = tuple[str, Any]
"""What is sent: below the response topic (``""``, ``"/progress"``), and the JSON, or bytes as they are."""
Script = Callable[[Got], Sequence[Answer]]


class MqttWorker(Watched):
    """Subscribed to a topic and to that of its cancels. `script` says what it sends for each task."""

    def __init__(self, client: aiomqtt.Client, topic: str) -> None:
        super().__init__()
        self.client, self.topic = client, topic
        self.script: Script = lambda got: [("", {"output": "done"})]
        self.tasks: list[Got] = []
        self.cancels: list[Got] = []

    async def serve(self) -> None:
        """Take what comes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for message in self.client.messages:
                got = got_of(message)
                if got.topic == f"{self.topic}/cancel":
                    self.cancels.append(got)
                else:
                    self.tasks.append(got)
                    group.create_task(self.answer(got, self.script(got)))
                self.changed()

    async def answer(self, got: Got, answers: Sequence[Answer]) -> None:
        """Send answers to a task, in this order."""
        for suffix, body in answers:
            payload = body if isinstance(body, bytes) else orjson.dumps(body)
            await self.client.publish(got.reply_to + suffix, payload, qos=1)

    def got(self) -> list[tuple[bytes, str]]:
        """The bodies that came, each with its message id."""
        return [(got.raw, str(got.properties.get("message-id"))) for got in self.tasks]


def got_of(message: aiomqtt.Message) -> Got:
    found = dict(vars(message.properties)) if message.properties is not None else {}
    named = dict(found.get("UserProperty", ()))
    return Got(topic=str(message.topic), raw=bytes(message.payload), properties={**found, **named})  # type: ignore[arg-type]


@asynccontextmanager
async def mqtt_client(
    port: int,
    name: str | None = None,
    *,
    version: aiomqtt.ProtocolVersion = aiomqtt.ProtocolVersion.V5,
    **options: Any,
) -> AsyncIterator[aiomqtt.Client]:
    """A client of a broker of this machine; one with a `name` has a session that the broker keeps."""
    lasting: dict[str, Any] = {}
    if name is not None and version is aiomqtt.ProtocolVersion.V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        lasting = {"clean_start": False, "properties": properties}
    elif name is not None:
        lasting = {"clean_session": False}
    client = aiomqtt.Client("127.0.0.1", port, identifier=name, protocol=version, **lasting, **options)
    client.pending_calls_threshold = 10_000
    async with client:
        yield client


@asynccontextmanager
async def mqtt_worker(
    port: int, topic: str, name: str | None = None, *, group: str | None = None, **options: Any
) -> AsyncIterator[MqttWorker]:
    """A worker on a topic, alone or in a group that shares it, as long as the block lasts."""
    async with mqtt_client(port, name, **options) as client:
        worker = MqttWorker(client, topic)
        shared = topic if group is None else f"$share/{group}/{topic}"
        await client.subscribe([(shared, 1), (f"{topic}/cancel", 1)])
        serving = asyncio.ensure_future(worker.serve())
        try:
            yield worker
        finally:
            serving.cancel()
            await asyncio.wait([serving])
