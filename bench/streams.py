"""The worker of a Redis stream that is measured, with its Redis, and a client that asks it without a server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bench.redis_worker import STREAM
from tests.e2e.processes import Program, running
from tests.servers import RedisServer, started

REPLIES, GROUP = "bench:replies", "bench"
AT_A_TIME, BLOCK_MS = 128, 1_000
CONFIGURED = {"appendfsync": "everysec"}
"""As Redis is by itself: it writes down each change, and has the disk take it once a second."""


class Asking:
    """One connection over which many may ask at a time, and one over which answers come, as the server has them."""

    def __init__(self, client: Redis, url: str, task: bytes) -> None:
        self._client, self.url, self._task = client, url, task
        self._numbers = count()
        self._waiting: dict[bytes, asyncio.Future[None]] = {}
        self._asked: list[bytes] = []
        self._some = asyncio.Event()

    async def send(self) -> None:
        """Add what is asked: all of what has come together in one transmission."""
        while True:
            await self._some.wait()
            self._some.clear()
            asked, self._asked = self._asked, []
            adding = self._client.pipeline(transaction=False)
            for corr in asked:
                adding.xadd(STREAM, {"task": self._task, "reply_to": REPLIES, "corr": corr})
            await adding.execute()

    async def listen(self) -> None:
        """Tell those who wait for an answer, and acknowledge it."""
        while True:
            found: Any = await self._client.xreadgroup(GROUP, "one", {REPLIES: ">"}, count=AT_A_TIME, block=BLOCK_MS)
            for _, entries in found or ():
                for _, fields in entries:
                    self._waiting.pop(fields[b"corr"]).set_result(None)
                ids = [entry_id for entry_id, _ in entries]
                settling = self._client.pipeline(transaction=False)
                settling.xdel(REPLIES, *ids)
                settling.xack(REPLIES, GROUP, *ids)
                await settling.execute()

    async def ask(self) -> None:
        """One task, until its answer is there."""
        corr = b"%d" % next(self._numbers)
        answered = self._waiting[corr] = asyncio.get_running_loop().create_future()
        self._asked.append(corr)
        self._some.set()
        await answered


@asynccontextmanager
async def asked(folder: Path, task: bytes) -> AsyncIterator[Asking]:
    """A worker at a Redis of its own."""
    folder.mkdir()
    with started(RedisServer(folder, options=CONFIGURED)) as redis:
        command = [sys.executable, "-m", "bench.redis_worker", "--port", str(redis.port)]
        async with running(Program(command, folder / "worker.log")), Redis(port=redis.port, protocol=2) as client:
            await client.xgroup_create(REPLIES, GROUP, "0", mkstream=True)
            asking = Asking(client, f"{redis.url}/{STREAM}", task)
            works = [asyncio.ensure_future(work) for work in (asking.send(), asking.listen())]
            try:
                yield asking
            finally:
                for work in works:
                    work.cancel()
                with suppress(RedisError):
                    await asyncio.wait(works)
