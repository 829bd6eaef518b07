"""The worker over MQTT that is measured, with its broker, and a client that asks it the same without a server."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import aiomqtt

from bench.mqtt_worker import TOPIC
from tests.e2e.processes import Program, running
from tests.servers import Mosquitto, started

CONFIGURED = ("set_tcp_nodelay true", "max_queued_messages 100000", "autosave_on_changes false")
"""As the page on MQTT has it; sessions are written down at the end."""
REPLIES = "bench/replies"


class Asking:
    """One connection over which many may ask at a time, as the server does."""

    def __init__(self, client: aiomqtt.Client, url: str, task: bytes) -> None:
        self._client, self.url, self._task = client, url, task[:-1]
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def listen(self) -> None:
        """Tell those who wait for an answer."""
        async for message in self._client.messages:
            self._waiting.pop(str(message.topic)).set_result(None)

    async def ask(self) -> None:
        """One task, until its answer is there."""
        topic = f"{REPLIES}/{next(self._numbers)}"
        answered = self._waiting[topic] = asyncio.get_running_loop().create_future()
        await self._client.publish(TOPIC, self._task + b',"reply_to":"' + topic.encode() + b'"}', qos=1)
        await answered


@asynccontextmanager
async def asked(folder: Path, task: bytes) -> AsyncIterator[Asking]:
    """A worker at a broker of its own."""
    folder.mkdir()
    with started(Mosquitto(folder, lines=CONFIGURED)) as broker:
        command = [sys.executable, "-m", "bench.mqtt_worker", "--port", str(broker.port)]
        nodelay = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        async with (
            running(Program(command, folder / "worker.log")),
            aiomqtt.Client("127.0.0.1", broker.port, socket_options=nodelay) as client,
        ):
            client.pending_calls_threshold = 1_000
            await client.subscribe(f"{REPLIES}/+", qos=1)
            asking = Asking(client, f"{broker.url}/{TOPIC}", task)
            listening = asyncio.ensure_future(asking.listen())
            try:
                yield asking
            finally:
                listening.cancel()
                await asyncio.wait((listening,))
