"""The counterpart of the websocket transport in the contract suite: a worker that dials in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
from websockets.asyncio.client import connect

from tests.sockets import cancelled, socket_server
from tests.unit.dispatch.builders import Watched, a_worker


class WebsocketPeer(Watched):
    """A worker that dials into the transport, whose side of the socket a real server has."""

    def __init__(self) -> None:
        super().__init__()
        self.row = a_worker("here", url=None)
        self.nobody = a_worker("away", url=None)
        self.frames: list[Any] = []
        self.said: Any = {"output": "done"}
        self.report: Any = None
        self.mute = False

    async def dial(self, transport: Any, ends: AsyncExitStack) -> None:
        """Connect, register and serve as long as the stack is open."""
        url = await ends.enter_async_context(socket_server(transport))
        socket = await ends.enter_async_context(connect(url, compression=None, max_queue=None))
        await socket.send(orjson.dumps({"type": "register", "id": self.row.id, "max_concurrent": 64}), text=True)
        assert orjson.loads(await socket.recv())["type"] == "registered"
        ends.push_async_callback(cancelled, asyncio.ensure_future(self._serve(socket)))

    async def _serve(self, socket: Any) -> None:
        async for text in socket:
            frame = orjson.loads(text)
            if frame["type"] == "dispatch":
                self.frames.append((text, frame))
                for answer in self._answers_to(frame):
                    await socket.send(orjson.dumps(answer), text=True)
                self.changed()

    def _answers_to(self, frame: Any) -> Iterator[Any]:
        yield {"type": "ack", "corr": frame["id"]}
        if self.report is not None:
            yield {"type": "feedback", "corr": frame["corr"], **self.report}
        if not self.mute:
            yield {"type": "result", "id": f"r{len(self.frames)}", "corr": frame["corr"], "body": self.said}

    def answers(self, body: Any) -> None:
        self.said = body

    def accepts(self) -> None:
        self.mute = True

    def fails(self, error: Any) -> None:
        self.said = {"error": error}

    def hangs(self) -> None:
        self.mute = True

    def reports(self, body: Any) -> None:
        self.report = body

    def got(self) -> list[tuple[bytes, str]]:
        return [(_task_of(text), frame["message_id"]) for text, frame in self.frames]

    async def until_asked(self) -> None:
        await self.until(lambda: bool(self.frames))

    async def until_left(self) -> None:
        raise AssertionError("a worker is told by a frame")


def _task_of(text: str) -> bytes:
    """The task of a frame as it was written."""
    return text.partition(',"task":')[2].removesuffix("}").encode()


@asynccontextmanager
async def websocket_peer() -> AsyncIterator[WebsocketPeer]:
    yield WebsocketPeer()
