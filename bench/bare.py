"""A bare aiohttp client in a process of its own: `python -m bench.bare ADDRESS [--uvloop]`.

For each line `N` that it reads it sends so many requests one after the other in each of 32 lanes, and prints `done`.
It is as it comes, on the loop that it comes with: asyncio's, or uvloop's where that is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvloop

from bench.documents import KILOBYTE
from bench.rest import AT_ONCE

BODY = b'{"task_id":"' + KILOBYTE[:800].encode() + b'"}'
HEADERS = {"Content-Type": "application/json"}


class Bare:
    """The process, as who has it send sees it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def send(self, each: int) -> None:
        """Have it send `each` requests in every lane, and wait until the last is answered."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"%d\n" % each)
        if await self._process.stdout.readline() != b"done\n":
            raise RuntimeError("the bare client has ended")


@asynccontextmanager
async def bare(address: str, *options: str) -> AsyncIterator[Bare]:
    """A bare client of an address, as long as the block lasts."""
    command = (sys.executable, "-m", "bench.bare", address, *options)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield Bare(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _opened() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers=HEADERS)


async def _sent(session: aiohttp.ClientSession, address: str, each: int) -> None:
    async def lane() -> None:
        for _ in range(each):
            async with session.post(address, data=BODY) as response:
                await response.read()

    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--uvloop", action="store_true")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if given.uvloop else asyncio.new_event_loop) as runner:
        session = runner.run(_opened())
        for line in sys.stdin:
            runner.run(_sent(session, given.address, int(line)))
            print("done", flush=True)
        runner.run(session.close())


if __name__ == "__main__":
    main()
