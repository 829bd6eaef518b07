"""What the tests of workers that dial in are made of: servers of sockets, and a worker frame by frame."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import httpx
import orjson
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from api.app import create_app
from api.settings import Settings
from api.sockets import AsgiChannel, Socket
from api.wiring import running
from dispatch._ws_frames import Heartbeat, Register
from dispatch.websocket import Websocket
from tests.unit.api.serving import Server

PATIENCE_S = 10.0
PATH = "/v1/ws/worker"


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
async def served(app: ASGIApp, end: Callable[[], None], **options: Any) -> AsyncIterator[str]:
    """Serve an application on a free port; gives `host:port`. `end` is called when the server is to end."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    config = uvicorn.Config(app, ws=Socket, lifespan="off", log_config=None, timeout_graceful_shutdown=1, **options)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # signals are those of the tests
    serving = asyncio.ensure_future(server.serve([listening]))
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        end()
        server.should_exit = True
        await serving
        listening.close()


@asynccontextmanager
async def socket_server(transport: Websocket, registry: Any = None) -> AsyncIterator[str]:
    """Serve the sockets of a transport alone; gives their address."""
    ending = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        channel = AsgiChannel(scope, receive, send)
        await channel.open()
        await transport.talk(channel, registry or Everybody(), ending)

    async with served(app, ending.set) as place:
        yield f"ws://{place}/"


@asynccontextmanager
async def a_socketed_server(folder: Path, **settings: Any) -> AsyncIterator[tuple[Server, str]]:
    """A whole server in this process on a real socket, and the address that workers dial."""
    given = {"db": f"sqlite:///{folder}/clew.db", "grace_s": 0, **settings}
    made = Settings(**given)
    async with running(made, "http://clew.test") as wired:
        sizes = {"ws_max_size": made.max_body, "ws_per_message_deflate": False}
        async with served(create_app(wired), wired.closing.set, **sizes) as place:
            headers = {} if made.token is None else {"Authorization": f"Bearer {made.token.get_secret_value()}"}
            async with httpx.AsyncClient(base_url=f"http://{place}/v1", headers=headers) as http:
                yield Server(wired, http), f"ws://{place}{PATH}"


class Dialler:
    """A worker that does what a test says, frame by frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, worker_id: str = "w1", **fields: Any) -> AsyncIterator[Self]:
        """A worker that has registered, until the block is left."""
        async with connect(url, compression=None, max_queue=None, close_timeout=0.5) as socket:
            worker = cls(socket)
            await worker.register(worker_id, **fields)
            yield worker

    async def register(self, worker_id: str = "w1", **fields: Any) -> Any:
        await self.say("register", id=worker_id, **{"tags": ["w"], "max_concurrent": 4, **fields})
        return await self.hear("registered")

    async def say(self, kind: str, **fields: Any) -> None:
        await self.socket.send(orjson.dumps({"type": kind, **fields}), text=True)

    async def hear(self, kind: str) -> Any:
        """The next frame, which has to be one of this type."""
        async with asyncio.timeout(PATIENCE_S):
            frame = orjson.loads(await self.socket.recv())
        assert frame["type"] == kind, frame
        return frame

    async def take(self) -> Any:
        """The next task, acknowledged."""
        frame = await self.hear("dispatch")
        await self.say("ack", corr=frame["id"])
        return frame

    async def answer(self, frame: Any, body: Any, frame_id: str = "r1") -> Any:
        """Answer a task; its acknowledgement."""
        await self.say("result", id=frame_id, corr=frame["corr"], body=body)
        return await self.hear("ack")

    async def closed(self) -> tuple[int, str]:
        """How the server ends the connection."""
        async with asyncio.timeout(PATIENCE_S):
            await self.socket.wait_closed()
        return self.socket.close_code or 0, self.socket.close_reason or ""

    def break_off(self) -> None:
        """Break the connection without a word."""
        self.socket.transport.abort()
