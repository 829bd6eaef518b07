"""The `mqtt` transport: tasks are messages on a topic, which many processes may share.

A message is acknowledged when its answer has been published: what a process had when it died, the broker gives to it
again, or to who has its session.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from math import inf
from typing import Any

from clew._backoff import Backoff
from clew._json import encode
from clew.models import Json
from clew.worker._cancelled import heed_cancel
from clew.worker._reply import BEAT_S
from clew.worker._reports import LineDown
from clew.worker.registration import Registration, first_of
from clew.worker.shift import Shift
from clew.worker.transports._broker import Broker, Connecting, broker_of
from clew.worker.transports._options import Options, missing, say_ready

try:
    import aiomqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    raise missing("aiomqtt", "mqtt") from None

PORTS = {"mqtt": 1883, "mqtts": 8883}
GROUP = "clew-workers"
SESSION_S = 24 * 3600
"""For so long the broker keeps what comes while the process is away."""
STEADY_S = 5.0

log = logging.getLogger(__name__)


class Mqtt:
    """Subscribes to a topic, together with all others of its group."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._client: aiomqtt.Client | None = None
        self._subscribed = asyncio.Event()

    async def serve(self, shift: Shift) -> None:
        """Subscribe, register, answer; at the end leave the topic to the others first. What is published to a topic
        that nobody has subscribed to yet is lost, so the server hears of the worker after that."""
        broker = broker_of(self.options, shift.worker.id, PORTS)
        async with self.options.client() as client:
            token = f"{broker.user}:{broker.password or ''}" if broker.user else None
            entry = Registration(shift, client, "mqtt", url=broker.url, token=token)
            connecting = asyncio.ensure_future(self._connect(shift, broker))
            try:
                await first_of(self._subscribed.wait(), shift.closing.wait(), asyncio.shield(connecting))
                if not connecting.done() and await entry.enter():
                    say_ready(broker.url)
                    async with entry.kept():
                        await first_of(shift.closing.wait(), asyncio.shield(connecting))
                if connecting.done():
                    connecting.result()
                await self._leave(_shared(broker))
                await shift.drained()
            finally:
                connecting.cancel()
                await asyncio.gather(connecting, return_exceptions=True)

    async def _connect(self, shift: Shift, broker: Broker) -> None:
        """Connect again and again."""
        connecting = Connecting(broker)
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            try:
                async with _client(shift, broker) as client:
                    await self._subscribe(shift, broker, client)
                    connecting.reached()
                    await self._receive(shift, broker, client)
            except aiomqtt.MqttError as error:
                connecting.missed(error)
            finally:
                self._client = None
            heed_cancel()
            if self._subscribed.is_set() and loop.time() - begun > STEADY_S:
                connecting.backoff.begin()
            await connecting.backoff.wait()

    async def _subscribe(self, shift: Shift, broker: Broker, client: aiomqtt.Client) -> None:
        """Have the broker send what there is."""
        await client.subscribe(_cancels(broker), 1)
        if not shift.closing.is_set():
            await client.subscribe(_shared(broker), 1)
        heed_cancel()
        self._client = client
        self._subscribed.set()

    async def _receive(self, shift: Shift, broker: Broker, client: aiomqtt.Client) -> None:
        """Take what comes over one connection."""
        async for message in client.messages:
            if message.topic.value == _cancels(broker):
                shift.cancel(json.loads(message.payload)["task_id"])
                _acknowledge(client, message)
            elif not shift.closing.is_set():
                shift.hold(self._work(shift, client, message))

    async def _work(self, shift: Shift, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        task = json.loads(message.payload)
        line = _ReplyTopic(self, task["reply_to"])
        body = await shift.perform(task, _message_id(message, task), line)
        backoff = Backoff(inf)
        while True:
            try:
                await line.publish("", body)
            except LineDown as error:
                log.warning("an answer cannot be given yet: %s", error)
                await backoff.wait()
            else:
                _acknowledge(client, message)
                return

    async def _leave(self, topic: str) -> None:
        if self._client is not None:
            try:
                await self._client.unsubscribe(topic)
            except aiomqtt.MqttError as error:
                log.warning("the topic is not left: %s", error)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1. Raises LineDown."""
        if self._client is None:
            raise LineDown("there is no connection to the broker")
        try:
            await self._client.publish(topic, payload, qos=1)
        except aiomqtt.MqttError as error:
            raise LineDown(str(error)) from error


class _ReplyTopic:
    """The line of one task: its reports are messages below its response topic. A cancel comes on a topic of its own."""

    beat_s = BEAT_S

    def __init__(self, transport: Mqtt, topic: str) -> None:
        self._transport, self._topic = transport, topic

    async def report(self, reports: Sequence[Json]) -> bool:
        for report in reports:
            await self.publish("/progress", report)
        return True

    async def heartbeat(self) -> bool:
        await self.publish("/heartbeat", {})
        return True

    async def publish(self, below: str, body: Json) -> None:
        """Say something of the task. Raises LineDown."""
        await self._transport.publish(self._topic + below, encode(body))


def _client(shift: Shift, broker: Broker) -> aiomqtt.Client:
    """A client with a session that the broker keeps, and no more messages at once than the worker has slots."""
    properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_S
    properties.ReceiveMaximum = min(shift.worker.max_concurrent + 1, 65_535)
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.user,
        password=broker.password,
        identifier=f"clew-worker-{shift.worker.id}",
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=properties,
        tls_params=aiomqtt.TLSParameters() if broker.tls else None,
    )
    client._client.manual_ack_set(True)  # aiomqtt itself acknowledges what nobody has worked at yet
    return client


def _acknowledge(client: aiomqtt.Client, message: aiomqtt.Message) -> None:
    """Say that the broker need not keep a message; over a connection that is gone, nothing happens."""
    client._client.ack(message.mid, message.qos)


def _message_id(message: aiomqtt.Message, task: Json) -> str:
    """What names the request, in a user property; without one, the task."""
    named = dict(getattr(message.properties, "UserProperty", ()) or ())
    return str(named.get("message-id") or task["task_id"])


def _cancels(broker: Broker) -> str:
    return f"{broker.channel}/cancel"


def _shared(broker: Broker) -> str:
    return f"$share/{GROUP}/{broker.channel}"


def open_transport(options: Options) -> Mqtt:
    """The transport that the options describe."""
    return Mqtt(options)
