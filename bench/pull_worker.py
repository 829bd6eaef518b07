"""A worker that comes for its tasks and does nothing but answer: `python -m bench.pull_worker --at URL [--at URL]`.

It asks each of these servers, and does not parse what it is given beyond where to answer.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import deque
from contextlib import suppress
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

LEASING, ANSWERING = 2, 16
"""So many connections to each server ask for tasks, and so many answer."""
LEASE = b'{"tags":["bench"],"max":32,"wait_ms":20000}'
ANSWER = b'{"output":1}'
HEAD = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
WHERE = re.compile(rb'"reply_to":"https?://[^/"]*([^"]+)","message_id"')
"""Where to answer; what is within the task is the same, and stands before something else."""


class Connection(asyncio.Protocol):
    """Requests to a server, one after the other; it connects again where the server has hung up in between."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._host, self._port = str(at.hostname), at.port or 80
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body, self._body = b"".join(self._body), []
        self._answered.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._answered.done():
            self._answered.set_exception(ConnectionError("the server has hung up"))

    async def post(self, path: bytes, body: bytes) -> bytes:
        """The body of the answer. Raises ConnectionError."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            await loop.create_connection(lambda: self, self._host, self._port)
        self._answered = loop.create_future()
        head = HEAD % (path, self._host.encode(), len(body))
        cast("asyncio.Transport", self._transport).write(head + body)
        return await self._answered


class Server:
    """One server that is asked: tasks come over some connections, answers go over others."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._places: deque[bytes] = deque()
        self._some = asyncio.Semaphore(0)

    async def work(self) -> None:
        """Ask and answer until the server is gone."""
        roles = [self._lease] * LEASING + [self._answer] * ANSWERING
        with suppress(OSError):
            await asyncio.gather(*(role(Connection(self._url)) for role in roles))

    async def _lease(self, connection: Connection) -> None:
        while True:
            for place in WHERE.findall(await connection.post(b"/v1/tasks/lease", LEASE)):
                self._places.append(place)
                self._some.release()

    async def _answer(self, connection: Connection) -> None:
        while True:
            await self._some.acquire()
            await connection.post(self._places.popleft(), ANSWER)


async def main(urls: list[str]) -> None:
    working = [asyncio.ensure_future(Server(url).work()) for url in urls]
    print("ready", flush=True)
    await asyncio.gather(*working)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--at", action="append", required=True)
    with suppress(KeyboardInterrupt):
        uvloop.run(main(parser.parse_args().at))
