"""Sockets of workers: a WebSocket as the transport wants it, and the registry for those that dial in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.workers import Workers
from dispatch._ws_frames import Heartbeat, Register
from dispatch._ws_line import Gone
from engine.errors import Conflict
from engine.ports import WorkerRow
from engine.values import replace

PROTOCOL = "websocket"
CLOSE_S = 5.0
MAX_REASON = 120
"""Bytes of a reason that a close frame has room for."""
ABORT = "clew.abort"
"""The extension of a scope that breaks a connection."""


class Socket(WebSocketsSansIOProtocol):
    """The server's side of a WebSocket. One that does not answer pings is broken at once: what is still to be written
    to it would keep it for as long as the system tries."""

    async def run_asgi(self) -> None:
        self.scope["extensions"][ABORT] = {"call": self.abort}
        await super().run_asgi()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.abort()

    def abort(self) -> None:
        """Break the connection, whatever is unsent. Idempotent."""
        self.transport.abort()


class AsgiChannel:
    """A `dispatch._ws_line.Channel` over an ASGI connection."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._abort: Callable[[], None] = scope["extensions"].get(ABORT, {}).get("call", lambda: None)
        self._over = False

    async def open(self) -> None:
        """Shake hands."""
        await self._receive()
        await self._send({"type": "websocket.accept"})

    async def receive(self) -> str | None:
        if self._over:
            return None
        message = await self._receive()
        if message["type"] == "websocket.receive":
            return _text_of(message)
        self._over = True
        return None

    async def send(self, text: str) -> None:
        if self._over:
            raise Gone
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError) as gone:
            self._over = True
            raise Gone from gone

    async def close(self, code: int, reason: str) -> None:
        if self._over:
            return
        self._over = True
        said = reason.encode()[:MAX_REASON].decode(errors="ignore")
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": said})
        except TimeoutError:
            self._abort()
        except (OSError, RuntimeError):
            return

    def abort(self) -> None:
        self._abort()


def _text_of(message: Message) -> str:
    """A frame is a text; bytes are read as one, and what is none is no frame."""
    text: str | None = message.get("text")
    return text if text is not None else bytes(message.get("bytes") or b"").decode(errors="replace")


class Dialled:
    """A `dispatch._ws_talk.Registry` over the registry of a server."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    async def dialled(self, frame: Register) -> None:
        """Register a worker, or bring what is known of it up to date. Raises Conflict where its id is that of a worker
        of another protocol, Invalid, or StoreUnavailable."""
        await self._register(frame)
        # it begins anew: that it drained is over
        self._workers.beats.beat(frame.id, {"status": None, **frame.said()})

    async def _register(self, frame: Register) -> None:
        known = await self._workers.store.worker(frame.id)
        if known is None:
            now = self._workers.clock()
            made = WorkerRow(id=frame.id, protocol=PROTOCOL, created_at=now, updated_at=now, **_columns(frame))
            try:
                return await self._workers.put(made, create=True)
            except Conflict:  # another connection of the same worker was first
                known = await self._workers.get(frame.id)
        if known.protocol != PROTOCOL:
            why = f"'{frame.id}' is the id of a {known.protocol} worker; register under another one"
            raise Conflict(why, "worker.exists")
        await self._update(known, replace(known, **_columns(frame)))

    async def noted(self, worker_id: str, frame: Heartbeat) -> None:
        """Note what a worker says it has: its resources decide who gets the tasks that need them."""
        if self._workers.beats.knows(worker_id) is not None:
            self._workers.beats.beat(worker_id, frame.said())

    async def _update(self, known: WorkerRow, row: WorkerRow) -> None:
        if row != known:
            await self._workers.put(replace(row, updated_at=self._workers.clock()), create=False)


def _columns(frame: Register) -> dict[str, Any]:
    """What a worker says of itself, as its row has it."""
    return {
        "tags": tuple(dict.fromkeys(frame.tags)),
        "max_concurrent": frame.max_concurrent,
        "metadata": {**_spoken(frame), **frame.metadata},
    }


def _spoken(frame: Register) -> dict[str, Any]:
    """What a worker says of how it is to be talked to, where it does."""
    return {name: getattr(frame, name) for name in ("protocol_version", "features") if name in frame.model_fields_set}
