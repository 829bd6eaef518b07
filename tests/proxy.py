"""A TCP proxy that does what networks do: cuts connections, refuses them, delays, and lets them hang half-open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

CHUNK = 65_536


class Proxy:
    """Forwards connections to a port of 127.0.0.1. What a test sets holds from the next bytes on.

    `delay_s` holds each piece back for so long, in both directions. `deaf` drops what clients send, `mute` what the
    server says: the connection stays open, half of it. `cut_after` counts bytes that may still pass to the server; then
    all connections are cut. `cut_at_reply` cuts all of them when the server says something, which is lost.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.delay_s = 0.0
        self.deaf = self.mute = self.cut_at_reply = False
        self.cut_after: int | None = None
        self.connections = 0
        """How many were made so far."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._swallowed = asyncio.Event()

    async def accept(self) -> None:
        """Take connections, at the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections; those that there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Abort all connections."""
        for writer in self._open:
            writer.transport.abort()

    def half_open(self, half: bool = True) -> None:
        """Swallow all bytes of both directions, or let them pass again."""
        self.deaf = self.mute = half

    async def swallowed(self) -> None:
        """Wait until something was dropped."""
        await self._swallowed.wait()

    async def close(self) -> None:
        """End everything."""
        self.refuse()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        ends = {writer}
        self._open.add(writer)
        try:
            with suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self.target)
                ends.add(back)
                self._open.add(back)
                await self._both(self._pump(reader, back, up=True), self._pump(there, writer, up=False))
        except asyncio.CancelledError:
            pass  # a handler that ends by being cancelled would be reported as one that failed
        finally:
            self._open -= ends
            self._tasks.discard(task)
            for end in ends:
                end.transport.abort()

    async def _both(self, *pumps: Coroutine[Any, Any, None]) -> None:
        """Until either direction ends."""
        tasks = {asyncio.ensure_future(pump) for pump in pumps}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self.deaf if up else self.mute:
                    self._swallowed.set()
                elif passed := self._passed(data, up=up):
                    writer.write(passed)
                    await writer.drain()

    def _passed(self, data: bytes, *, up: bool) -> bytes:
        """What of it passes; the connections are cut where that is to happen now."""
        if not up:
            if self.cut_at_reply:
                self.cut_at_reply = False
                self.cut()
                return b""
            return data
        if self.cut_after is None:
            return data
        left, self.cut_after = self.cut_after, self.cut_after - len(data)
        if self.cut_after > 0:
            return data
        self.cut_after = None
        asyncio.get_running_loop().call_soon(self.cut)
        return data[:left]


@asynccontextmanager
async def proxy_to(target: int) -> AsyncIterator[Proxy]:
    """A proxy to a port, as long as the block lasts."""
    proxy = Proxy(target)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()
