"""The worker of the websocket transport that is measured, and a client that asks it the same without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.processes import working


class Asking:
    """One connection over which many may ask at a time, as the server does."""

    def __init__(self, socket: ClientConnection, task: bytes) -> None:
        self._socket, self._task = socket, task
        self._numbers = count()
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def listen(self) -> None:
        """Tell those who wait for an answer, and acknowledge it."""
        async for text in self._socket:
            frame = orjson.loads(text)
            if frame["type"] == "result":
                self._waiting.pop(frame["id"]).set_result(None)
                await self._socket.send(orjson.dumps({"type": "ack", "corr": frame["id"]}), text=True)

    async def ask(self) -> None:
        """One task, until its answer is there."""
        name = str(next(self._numbers))
        answered = self._waiting[name] = asyncio.get_running_loop().create_future()
        head = orjson.dumps({"type": "dispatch", "id": name, "corr": name})[:-1]
        await self._socket.send(head + b',"task":' + self._task + b"}", text=True)
        await answered


@asynccontextmanager
async def asked(folder: Path, url: str, task: bytes) -> AsyncIterator[Asking]:
    """A worker that has dialled a server (`url` is its base), asked past it."""
    folder.mkdir()
    dial = f"{url.replace('http', 'ws', 1)}/ws/worker"
    async with (
        working("bench.socket_worker", folder, "--dial", dial) as address,
        connect(address.replace("http", "ws", 1), compression=None) as socket,
    ):
        asking = Asking(socket, task)
        listening = asyncio.ensure_future(asking.listen())
        try:
            yield asking
        finally:
            listening.cancel()
            await asyncio.wait((listening,))
