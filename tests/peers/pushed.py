"""A receiver of pushes for the official clients: it listens on a free port, and keeps what it is told with the headers.

It runs in the environment of a client, and knows nothing of ours.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

PATIENCE_S = 30.0


class Receiver:
    """What has come, in its order: the path, the headers, and the JSON."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[Any] = []
        self._came = asyncio.Event()

    async def at(self, path: str, count: int) -> list[Any]:
        """What has come to a path, once it is so much."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := [one for one in self.told if one["path"] == path]) < count:
                self._came.clear()
                await self._came.wait()
        return found

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request, and say that it has arrived."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.told.append({"path": lines[0].split()[1], "headers": headers, "body": body})
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        self._came.set()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver as long as the block lasts."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
