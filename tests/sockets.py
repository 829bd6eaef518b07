"""What the tests of workers that dial in are made of: a server of sockets alone, and a worker frame by frame."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.exceptions import ConnectionClosed

from api.sockets import AsgiChannel, Socket
from dispatch._ws_frames import Heartbeat, Register
from dispatch.websocket import Websocket

PATIENCE_S = 10.0


async def cancelled(task: asyncio.Future[Any]) -> None:
    """End a task, which may have ended already, and not by a mistake."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, ConnectionClosed):
        raise error


class Everybody:
    """A registry in which every worker is welcome."""

    async def dialled(self, frame: Register) -> None: ...
    async def noted(self, worker_id: str, frame: Heartbeat) -> None: ...


@asynccontextmanager
async def socket_server(transport: Websocket, registry: Any = None) -> AsyncIterator[str]:
    """Serve a transport's sockets on a free port; gives the address. Its end comes as that of a server does."""
    ending = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        channel = AsgiChannel(scope, receive, send)
        await channel.open()
        await transport.talk(channel, registry or Everybody(), ending)

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(
        app, ws=Socket, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # signals are those of the tests
    serving = asyncio.ensure_future(server.serve([listening]))
    try:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        ending.set()
        server.should_exit = True
        await serving
        listening.close()
