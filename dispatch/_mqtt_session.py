"""A session with an MQTT broker that outlives its connections: it connects again and again, and sends again what the
broker had not acknowledged."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog
from aiomqtt import MqttError
from paho.mqtt.properties import Properties

from dispatch._mqtt_address import Place
from dispatch._mqtt_client import what_is_trusted
from dispatch._mqtt_replies import Replies
from dispatch._mqtt_wire import Lost, Wire, heed_cancel
from dispatch._transport import Tools

FIRST_S, LONGEST_S = 0.1, 10.0
"""Waits between two attempts to connect: the first, and the longest."""
STEADY_S = 5.0
"""A connection that has held so long was a good one: the waits begin anew."""
MAX_LOSSES = 5
"""So often a message is sent again when its connection is lost; it may be the message that the broker dislikes."""

log = structlog.get_logger(__name__)


class Down(Exception):
    """The broker cannot be reached now; the message says why."""


class Session:
    """Speaks with a broker as long as it is not closed. `heard` is told whenever the broker comes or goes."""

    def __init__(self, place: Place, tools: Tools, heard: Callable[[bool], None]) -> None:
        self._broker, self._password = place.broker, place.password
        self._name = self._broker.name(tools.server)
        self._heard = heard
        self._replies = Replies(tools.inbox, topic_of_replies(self._name))
        self._wire: Wire | None = None
        self._is_up, self._hurry = asyncio.Event(), asyncio.Event()
        self._attempt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._why = ""
        self._was_up = False
        self.away = False
        """Whether there is no connection, and a try to make one has failed."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"mqtt {self._broker.address}")

    def use(self, password: str | None) -> None:
        """Connect with this password from now on; anew, if it is another."""
        if password != self._password:
            self._password = password
            self._hurry.set()
            if self._wire is not None:
                self._wire.drop()

    async def publish(self, topic: str, payload: bytes, properties: Properties | None) -> int:
        """Publish with QoS 1, over another connection too if one is lost; the broker's reason code.

        Raises Down when the broker cannot have the message, Lost when it may have it but keeps breaking off, TooLong.
        """
        maybe, losses = False, 0
        while True:
            wire = await self._next() if maybe else await self._now()
            try:
                return await wire.publish(topic, payload, properties)
            except Lost as lost:
                maybe, losses = maybe or lost.sent, losses + 1
                if losses == MAX_LOSSES:
                    raise Lost(sent=maybe) from None

    async def close(self) -> None:
        """Settle what has come, take leave of the broker, which keeps what comes from now on. Idempotent."""
        await self._replies.close()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _now(self) -> Wire:
        """The connection, once an attempt that is under way has ended. Raises Down if there is none then."""
        if self._wire is None or self._wire.over:
            await asyncio.shield(self._attempt)
        if self._wire is None or self._wire.over:
            raise Down(f"the broker {self._broker.address} cannot be reached: {self._why or 'the connection was lost'}")
        return self._wire

    async def _next(self) -> Wire:
        """The connection, as soon as there is one."""
        while self._wire is None:
            await self._is_up.wait()
        return self._wire

    # ---- connecting, again and again

    async def _run(self) -> None:
        wait = FIRST_S
        try:
            while True:
                begun = asyncio.get_running_loop().time()
                self._hurry.clear()
                why = await self._connection()
                heed_cancel()
                self._is_down(why)
                lasted = asyncio.get_running_loop().time() - begun
                wait = FIRST_S if lasted > STEADY_S and self._was_up else min(2 * wait, LONGEST_S)
                await self._pause(wait * random.uniform(0.5, 1))
                self._attempt = asyncio.get_running_loop().create_future()
        finally:
            self._settle_attempt()

    async def _connection(self) -> str:
        """Connect, and serve until that ends; what has ended it."""
        self._was_up = False
        tls = await asyncio.to_thread(what_is_trusted) if self._broker.tls else None
        wire = Wire(self._broker, self._password, self._name, self._replies.take, tls)
        try:
            await wire.open(f"{topic_of_replies(self._name)}/#")
            self._begin(wire)
            return await wire.ended()
        except (MqttError, ValueError) as error:
            return str(error)
        except Exception as error:  # the root of a connection: the next may do better
            log.exception("mqtt.failed", broker=self._broker.address)
            return type(error).__name__
        finally:
            self._wire = None
            self._is_up.clear()
            await wire.close()

    def _begin(self, wire: Wire) -> None:
        self._wire, self._was_up = wire, True
        log.info("mqtt.connected", broker=self._broker.address, version=self._broker.version, resumed=wire.resumed)
        self._why = ""
        self._is_up.set()
        self._settle_attempt()
        self.away = False
        self._heard(True)

    def _is_down(self, why: str) -> None:
        """Note that there is no connection; it is logged once, until there is another reason."""
        if why != self._why:
            log.warning("mqtt.away", broker=self._broker.address, error=why)
        self._why = why
        self._settle_attempt()
        self.away = True
        self._heard(False)

    def _settle_attempt(self) -> None:
        if not self._attempt.done():
            self._attempt.set_result(None)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return


def topic_of_replies(name: str) -> str:
    """Below what topic the session of this name gets answers: a level for each request."""
    return f"clew/{name}/replies"
