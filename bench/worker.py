"""A worker that does nothing but answer: `python -m bench.worker --port N`.

It does not parse what it is asked, and takes it in without a copy, so that as little as can be of its own grows with
the size of a request.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from functools import partial
from typing import cast

import httptools
import orjson
import uvloop

from bench.documents import KILOBYTE

SLOW_S = 0.05
READ_AT_ONCE = 1024 * 1024
ANSWER = orjson.dumps({"output": 1})
MESSAGE = orjson.dumps({"updates": {"n": 1, "messages": KILOBYTE}})
COMPLETION = orjson.dumps({"choices": [{"message": {"content": "1"}, "finish_reason": "stop"}]})
ANSWERS = {
    b"/answer": (ANSWER, 0.0),
    b"/say": (MESSAGE, 0.0),
    b"/slow": (ANSWER, SLOW_S),
    b"/v1/chat/completions": (COMPLETION, 0.0),
}
"""What is answered at each path, and after how many seconds."""


def _response(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


class Answering(asyncio.BufferedProtocol):
    """One connection: requests in turn, whose bodies are let go where they were read to."""

    def __init__(self) -> None:
        self._buffer = bytearray(READ_AT_ONCE)
        self._view = memoryview(self._buffer)
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._parser.feed_data(self._view[:nbytes])

    def on_url(self, url: bytes) -> None:
        self._path = url

    def on_message_complete(self) -> None:
        body, after_s = ANSWERS.get(self._path, (b"", 0.0))
        response = _response(b"200 OK" if body else b"404 Not Found", body)
        if after_s:
            asyncio.get_running_loop().call_later(after_s, partial(self._send, response))
        else:
            self._send(response)

    def _send(self, response: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(response)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        uvloop.run(main(parser.parse_args().port))
