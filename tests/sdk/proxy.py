"""A proxy between a client and a server, which a test has cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Proxy:
    """Passes bytes on in both directions. `cuts` holds, for each of the next connections, after how many bytes of the
    server's answers it is cut; connections after those are left alone."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._there = (parts.hostname, parts.port)
        self.url = ""
        self.cuts: list[int] = []
        self.connections = 0

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.cuts.pop(0) if self.cuts else None
        back, on = await asyncio.open_connection(*self._there)
        ways = [asyncio.create_task(self._pass(reader, on, None)), asyncio.create_task(self._pass(back, writer, left))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (on, writer):
                end.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, left: int | None) -> None:
        with suppress(ConnectionError):
            while chunk := await source.read(65536):
                sink.write(chunk if left is None else chunk[:left])
                await sink.drain()
                if left is not None and (left := left - len(chunk)) <= 0:
                    return


@asynccontextmanager
async def proxying(url: str) -> AsyncIterator[Proxy]:
    """A proxy before a server, as long as the block lasts."""
    proxy = Proxy(url)
    listening = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    async with listening:
        proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield proxy
        listening.close()
