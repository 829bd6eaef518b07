"""The worker of the pull transport that is measured, and a server that gives it tasks and does nothing else."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import cast

import httptools

from tests.e2e.processes import Program, running

MOST = 32
TAKEN = b'{"accepted":true}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Asking:
    """Tasks that wait for a worker, workers that wait for a task, and who waits for an answer."""

    def __init__(self, url: str, task: bytes) -> None:
        self.url, self._task = url, task
        self._numbers = count()
        self._tasks: deque[bytes] = deque()
        self._leasing: deque[Callable[[bytes], None]] = deque()
        self._waiting: dict[bytes, asyncio.Future[None]] = {}

    async def ask(self) -> None:
        """One task, until its answer is there."""
        path = b"/v1/tasks/%d/result" % next(self._numbers)
        answered = self._waiting[path] = asyncio.get_running_loop().create_future()
        self._tasks.append(path)
        if self._leasing:
            asyncio.get_running_loop().call_soon(self._give)
        await answered

    def asked(self, path: bytes, send: Callable[[bytes], None]) -> None:
        """A worker asks for tasks, or has one answered."""
        if (answered := self._waiting.pop(path, None)) is not None:
            answered.set_result(None)
            return send(TAKEN)
        self._leasing.append(send)
        self._give()

    def _give(self) -> None:
        """Give a worker what there is by now."""
        while self._tasks and self._leasing:
            paths = [self._tasks.popleft() for _ in range(min(MOST, len(self._tasks)))]
            place = b'{"task":%b,"reply_to":"' + self.url.encode() + b'%b","message_id":"1"}'
            self._leasing.popleft()(b'{"items":[%b]}' % b",".join(place % (self._task, path) for path in paths))


class Connection(asyncio.Protocol):
    """One connection of a worker: requests in turn."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        self._asking.asked(self._path, self._send)

    def _send(self, body: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(HEAD % len(body) + body)


@asynccontextmanager
async def asked(folder: Path, url: str, task: bytes) -> AsyncIterator[Asking]:
    """A worker that comes to a server (`url` is its base, with `/v1`) for its tasks, and to one without an engine."""
    folder.mkdir()
    asking = Asking("", task)
    async with await asyncio.get_running_loop().create_server(lambda: Connection(asking), "127.0.0.1", 0) as server:
        asking.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        base = url.removesuffix("/v1")
        command = [sys.executable, "-m", "bench.pull_worker", "--at", base, "--at", asking.url]
        async with running(Program(command, folder / "worker.log")):
            yield asking
