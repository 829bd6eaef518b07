"""A worker that does nothing but answer over a socket: `python -m bench.socket_worker --port N --dial URL`.

It serves the same at a port of its own, so that a client can ask it without a server between them.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

import orjson
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

REGISTER = orjson.dumps({"type": "register", "id": "websocket", "tags": ["bench"], "max_concurrent": 64})
HEARTBEAT = b'{"type":"heartbeat"}'
ACK = b'{"type":"ack","corr":"%b"}'
RESULT = b'{"type":"result","id":"%b","corr":"%b","body":{"output":1}}'


async def answer(socket: Connection) -> None:
    """Acknowledge and answer whatever is asked, until the connection is over."""
    with suppress(ConnectionClosed):
        async for text in socket:
            frame = orjson.loads(text)
            if frame["type"] == "dispatch":
                await socket.send(ACK % frame["id"].encode(), text=True)
                await socket.send(RESULT % (frame["id"].encode(), frame["corr"].encode()), text=True)


async def beat(socket: Connection, every_ms: int) -> None:
    """Say that it is there while nobody asks anything: a worker that is silent is left alone."""
    with suppress(ConnectionClosed):
        while True:
            await asyncio.sleep(every_ms / 1000)
            await socket.send(HEARTBEAT, text=True)


async def main(port: int, dial: str) -> None:
    async with serve(answer, "127.0.0.1", port, compression=None), connect(dial, compression=None) as socket:
        await socket.send(REGISTER, text=True)
        registered = orjson.loads(await socket.recv())
        print("ready", flush=True)
        beating = asyncio.ensure_future(beat(socket, registered["heartbeat_ms"]))
        await answer(socket)
        beating.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dial", required=True)
    given = parser.parse_args()
    with suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given.port, given.dial))
