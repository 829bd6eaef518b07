"""One connection to an MQTT broker: what is published over it, and what comes, acknowledged when the receiver says so.

This is the place that knows of the paho client inside aiomqtt. aiomqtt connects, subscribes, and joins
paho to the event loop. It acknowledges a message as soon as it has been read, and keeps to itself what the broker
replies to a publication; so its paho client is told to leave acknowledgements to us, and calls us back directly.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from dispatch import _mqtt_client
from dispatch._mqtt_address import V5, Broker
from dispatch._mqtt_client import AT_ONCE, a_client
from engine.values import dataclass

STALL_S = 10.0
"""A broker that leaves a publication unacknowledged for so long is taken for gone."""
LOOK_EVERY_S = 1.0
AT_ONCE_3 = 20
"""The same for publications over 3.1.1, in which a broker cannot say what it takes."""

LONGEST = 268_435_455
"""Bytes that a message of MQTT may have."""

_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_WAITING_PACKETS = 10_000


class Lost(Exception):
    """The connection ended before the broker had acknowledged; `sent` tells whether it may have the message."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the connection to the broker was lost")
        self.sent = sent


class TooLong(Exception):
    """The broker does not take messages of this size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message that came. `lasting`: the broker gives it again over the next connection until it is acknowledged."""

    topic: str
    payload: bytes
    lasting: bool
    wire: Wire
    number: int

    @property
    def given_again(self) -> bool:
        """Whether it is no use to keep it, since the broker does."""
        return self.lasting and self.wire.over

    def acknowledge(self) -> None:
        """Tell the broker that it need not keep it any more; over a connection that is gone, nothing happens."""
        if self.lasting:
            self.wire.acknowledge(self.number)


@dataclass(slots=True)
class _Sent:
    done: asyncio.Future[int]
    at: float


class Wire:
    """A connection that is opened once, and is used until it ends. All calls are made on the event loop.

    `come` gets what comes; it must not block, and must see to it that each letter is acknowledged.
    """

    def __init__(
        self,
        broker: Broker,
        password: str | None,
        name: str,
        come: Callable[[Letter], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._broker, self._come = broker, come
        self._loop = asyncio.get_running_loop()
        self._client = a_client(broker, password, f"clew-{name}", tls)
        self._paho = self._client._client  # see above: nothing else of aiomqtt's own is touched
        self._sent: dict[int, _Sent] = {}
        self._held: dict[int, bool] = {}
        self._window = asyncio.Semaphore(AT_ONCE_3)
        self._longest = LONGEST
        self._written = 0.0
        """When everything was last handed to the system."""
        self._entered = False
        self._refusal = ""
        self._broke: asyncio.Future[None] = self._loop.create_future()
        self.over = False
        self.resumed = False
        """Whether the broker knew the session still."""

    # ---- from the beginning to the end

    async def open(self, subscription: str) -> None:
        """Connect and subscribe. Raises aiomqtt.MqttError, or ValueError for a host that cannot be one.

        paho connects in a thread, which nobody can stop; a call that is cancelled waits for its end, which is near.
        """
        self._listen()
        entering = asyncio.ensure_future(self._enter())
        either: set[asyncio.Future[Any]] = {entering, self._broke}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not entering.done():
                entering.cancel()
        finally:
            if not entering.done():
                await asyncio.wait([entering])
            failure = None if entering.cancelled() else entering.exception()
        if self._broke.done():  # aiomqtt does not notice: it would wait for the rest of its time, or for ever
            raise aiomqtt.MqttError(self._refusal or "the broker closed the connection before it had accepted it")
        if failure is not None:
            raise failure
        self._paho.on_socket_register_write = self._want_write
        await self._subscribe(subscription)

    async def _enter(self) -> None:
        await self._client.__aenter__()
        self._entered = True

    async def _subscribe(self, subscription: str) -> None:
        only_new = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
        options = {"options": only_new} if self._broker.version == V5 else {"qos": 1}
        codes = await self._client.subscribe(subscription, **options)
        heed_cancel()
        for code in codes:
            if (code.value if isinstance(code, ReasonCode) else code) >= 0x80:
                raise aiomqtt.MqttError(f"the broker refused a subscription to {subscription}: {code}")

    async def ended(self) -> str:
        """Wait for the end of the connection; what has ended it."""
        messages = self._client.messages  # none comes this way: it is the end that is waited for
        while True:
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await anext(messages)
            except TimeoutError:
                if self._stalls():
                    return f"the broker acknowledged nothing for {STALL_S:.0f} s"
            except aiomqtt.MqttError as error:
                return f"the connection broke: {error.__cause__ or error}"

    async def close(self) -> None:
        """Take leave of the broker if it listens still, and release everything; idempotent."""
        if self._entered and not self.over and self._paho.is_connected():
            with suppress(aiomqtt.MqttError):
                await self._client.__aexit__(None, None, None)
        self.drop()
        if self._entered:
            self._entered = False
            with suppress(aiomqtt.MqttError, TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):  # what has ended it is taken note of by somebody
                    await anext(self._client.messages)

    def drop(self) -> None:
        """End the connection now: whoever waits for an acknowledgement learns that it is lost. Idempotent."""
        self.over = True
        if isinstance(connection := self._paho.socket(), socket.socket):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            for _ in range(_WAITING_PACKETS):  # paho reads what was there already, then the end, and cleans up
                if self._paho.socket() is None:
                    break
                self._paho.loop_read()
        for sent in tuple(self._sent.values()):
            self._window.release()
            if not sent.done.done():
                sent.done.set_exception(Lost(sent=True))
        self._sent.clear()
        self._held.clear()

    def _stalls(self) -> bool:
        """Whether the broker owes an acknowledgement for too long, though nothing more could be written to it."""
        oldest = next(iter(self._sent.values()), None)
        return oldest is not None and self._loop.time() - max(oldest.at, self._written) > STALL_S

    # ---- out

    async def publish(self, topic: str, payload: bytes, properties: Properties | None) -> int:
        """Publish with QoS 1 and wait for the broker; the reason code, 0 where all is well.

        Raises Lost, or TooLong. Whoever is cancelled meanwhile leaves nothing behind that another would wait for.
        """
        if len(payload) + len(topic) + 1_024 > self._longest:
            raise TooLong(f"the broker takes at most {self._longest} bytes, and the task has {len(payload)}")
        await self._window.acquire()
        if self.over:
            self._window.release()  # wakes the next, who finds the same
            raise Lost(sent=False)
        sent = self._paho.publish(topic, payload, 1, False, properties)
        if sent.rc != paho.MQTT_ERR_SUCCESS:
            self._window.release()
            raise Lost(sent=False)
        done: asyncio.Future[int] = self._loop.create_future()
        self._sent[sent.mid] = _Sent(done, self._loop.time())
        return await done

    def acknowledge(self, number: int) -> None:
        """Acknowledge what came under this number, once all that came before is: MQTT demands that order."""
        if number not in self._held:
            return
        self._held[number] = True
        while self._held:
            first, settled = next(iter(self._held.items()))
            if not settled:
                return
            del self._held[first]
            self._paho.ack(first, 1)

    def _want_write(self, client: paho.Client, _: Any, connection: Any) -> None:
        """Have the loop tell when the socket takes more. aiomqtt would do so a turn of the loop later, when the socket
        may be closed already and its number be that of another."""

        def write() -> None:
            client.loop_write()
            self._written = self._loop.time()

        self._loop.add_writer(connection.fileno(), write)

    def _confirm_at_once(self) -> None:
        """Have the system confirm what came without the 40 ms that it waits for something to send along: so long many
        brokers hold their next message back (Nagle's algorithm). The system forgets it soon: each time anew."""
        if _QUICKACK is not None and isinstance(connection := self._paho.socket(), socket.socket):
            with suppress(OSError):  # it has just ended, which is told by itself
                connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    # ---- what paho tells

    def _listen(self) -> None:
        client = self._paho
        client.manual_ack_set(True)
        client.connect_timeout = _mqtt_client.CONNECT_S
        client.on_message = self._came
        client.on_publish = self._published
        told: Any = client.on_connect  # aiomqtt's own

        def connected(
            client: paho.Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None
        ) -> None:
            if reason.is_failure:
                self._refusal = f"the broker refused the connection: {reason}"
            self._learn(flags.session_present, properties)
            told(client, userdata, flags, reason, properties)

        client.on_connect = connected
        noted: Any = client.on_disconnect

        def disconnected(*what: Any) -> None:
            if not self._broke.done():
                self._broke.set_result(None)
            noted(*what)

        client.on_disconnect = disconnected

    def _learn(self, resumed: bool, properties: Properties | None) -> None:
        """What a broker says of itself when it accepts the connection."""
        self.resumed = resumed
        if self._broker.version == V5:
            self._window = asyncio.Semaphore(min(getattr(properties, "ReceiveMaximum", AT_ONCE), AT_ONCE))
            self._longest = min(getattr(properties, "MaximumPacketSize", LONGEST), LONGEST)

    def _came(self, client: paho.Client, _: Any, message: paho.MQTTMessage) -> None:
        if self.over:
            return
        self._confirm_at_once()
        lasting = message.qos > 0
        if lasting:
            self._held[message.mid] = False
        try:
            topic = message.topic
        except UnicodeDecodeError:  # no topic that anybody was given
            topic = ""
        self._come(Letter(topic=topic, payload=bytes(message.payload), lasting=lasting, wire=self, number=message.mid))

    def _published(self, client: paho.Client, _: Any, mid: int, reason: ReasonCode, properties: Properties) -> None:
        self._confirm_at_once()
        if (sent := self._sent.pop(mid, None)) is None:
            return
        self._window.release()
        if not sent.done.done():
            sent.done.set_result(reason.value)


def heed_cancel() -> None:
    """Raise CancelledError where this task is to end. Before Python 3.12 `asyncio.wait_for`, by which aiomqtt waits,
    forgets a cancel that comes together with what it waits for (CPython issue 86296)."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
