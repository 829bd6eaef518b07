"""The sending side of one connection: frames go out one after another, and nobody waits for a slow reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from dispatch._ws_desk import SILENT

FULL = 1024 * 1024
"""With so many characters in line a dispatch waits before it gets in line itself."""
MAX_FRAMES = 100_000
"""With so many frames in line the worker is dropped."""


class Gone(Exception):
    """The connection is over."""


class Channel(Protocol):
    """A socket that is open."""

    async def receive(self) -> str | None:
        """The next frame; None when the connection is over."""

    async def send(self, text: str) -> None:
        """Raises Gone."""

    async def close(self, code: int, reason: str) -> None:
        """Say farewell. Idempotent; raises nothing."""

    def abort(self) -> None:
        """Break the connection, whatever is unsent. Idempotent."""


class Line:
    """Frames on their way to a worker, which has `send_s` seconds to read each. `written(dispatch_id)` is told when a
    frame that brings a task has gone out."""

    written: Callable[[str], None] = staticmethod(lambda dispatch_id: None)

    def __init__(self, channel: Channel, send_s: float) -> None:
        self._channel, self._send_s = channel, send_s
        self._frames: deque[tuple[str, str | None]] = deque()
        self._size = 0
        self._some, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.farewell: tuple[int, str] | None = None
        self.stuck = False

    def put(self, text: str, dispatch_id: str | None = None) -> None:
        """Put a frame in line; after `close` it is dropped."""
        if self.farewell is not None:
            return
        if len(self._frames) >= MAX_FRAMES:
            self.stuck = True
            return self.close(SILENT, "the worker does not read what it is sent")
        self._frames.append((text, dispatch_id))
        self._size += len(text)
        if self._size >= FULL:
            self._room.clear()
        self._some.set()

    async def room(self) -> None:
        """Return when a dispatch may get in line, or when the connection is over."""
        await self._room.wait()

    def close(self, code: int, reason: str) -> None:
        """End the connection once what is in line has gone out. Idempotent."""
        self.farewell = self.farewell or (code, reason)
        self._some.set()
        self._room.set()

    async def run(self) -> None:
        """Send until the line is closed, or the connection is over: then what is in line is dropped."""
        try:
            while self._frames or self.farewell is None:
                if self.stuck:
                    return
                if self._frames:
                    await self._send_all()
                else:
                    self._some.clear()
                    await self._some.wait()
        except Gone:
            return
        except TimeoutError:
            self.stuck = True
        finally:
            self.close(1011, "the connection is over")

    async def _send_all(self) -> None:
        """Send what is in line. The time for a frame begins anew from time to time: a timer for each would cost more
        than to send it."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        async with asyncio.timeout(self._send_s) as limit:
            while self._frames and not self.stuck:
                await self._send(*self._frames.popleft())
                if (now := clock()) > begun + self._send_s / 10:
                    begun = now
                    limit.reschedule(now + self._send_s)

    async def _send(self, text: str, dispatch_id: str | None) -> None:
        await self._channel.send(text)
        self._size -= len(text)
        if self._size < FULL:
            self._room.set()
        if dispatch_id is not None:
            self.written(dispatch_id)

    async def end(self) -> None:
        """Say farewell to a worker that reads; break the connection to one that does not."""
        if self.stuck:
            self._channel.abort()
        elif self.farewell is not None:
            await self._channel.close(*self.farewell)
