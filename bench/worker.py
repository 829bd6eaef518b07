"""A worker that does nothing but answer: `python -m bench.worker --port N`.

It does not parse what it is asked, so that nothing of its own grows with the size of a request.
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress

import orjson
import uvloop
from aiohttp import web

from bench.documents import KILOBYTE

ANSWER = orjson.dumps({"output": 1})
MESSAGE = orjson.dumps({"updates": {"n": 1, "messages": KILOBYTE}})
SLOW_S = 0.05
LARGEST = 64 * 1024 * 1024
AHEAD = 4 * 1024 * 1024
"""So much of a body is taken in before whoever sends it has to wait."""


async def _drain(request: web.Request) -> None:
    """Take a body in as it comes, without making one text of it: as a server that streams it to its reader does."""
    async for _ in request.content.iter_any():
        pass


async def answer(request: web.Request) -> web.Response:
    await _drain(request)
    return web.Response(body=ANSWER, content_type="application/json")


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(SLOW_S)
    return await answer(request)


async def say(request: web.Request) -> web.Response:
    await _drain(request)
    return web.Response(body=MESSAGE, content_type="application/json")


async def main(port: int) -> None:
    app = web.Application(client_max_size=LARGEST)
    app.add_routes([web.post("/answer", answer), web.post("/say", say), web.post("/slow", slow)])
    runner = web.AppRunner(app, access_log=None, read_bufsize=AHEAD)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    with suppress(KeyboardInterrupt):
        uvloop.run(main(parser.parse_args().port))
