"""A worker that reads its tasks from a stream of Redis, with plain redis-py, and answers as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from engine.ports import WorkerRow
from tests.servers import RedisServer, own_redis
from tests.unit.dispatch.builders import Watched, a_worker, free_port

GROUP = "clew-workers"


def client_of(server: RedisServer) -> Redis:
    """A client, to be closed by whoever made it."""
    return Redis(port=server.port, protocol=2)


class RedisWorker(Watched):
    """Answers each task with `said`, after `told`; while `holding`, only when `answer` is called."""

    def __init__(self, redis: Redis, stream: str, group: str = GROUP) -> None:
        super().__init__()
        self.redis, self.stream, self.group = redis, stream, group
        self.consumer = token_hex(4)
        self.said: Any = {"output": "done"}
        self.told: list[Any] = []
        self.holding = self.ended = False
        self.seen: list[dict[bytes, bytes]] = []
        self.ids: list[bytes] = []

    async def work(self) -> None:
        """Read and answer until cancelled, and `ended`: the client may let a cancellation go by unseen. The group is
        there with the first task, or before."""
        await self._make_group()
        while not self.ended:
            streams = {self.stream: ">"}
            reply = await self.redis.xreadgroup(self.group, self.consumer, streams, count=64, block=1000)
            for _, entries in reply or ():
                for entry_id, fields in entries:
                    await self._take(entry_id, fields)

    async def _make_group(self) -> None:
        with suppress(ResponseError):  # it is there
            await self.redis.xgroup_create(self.stream, self.group, "0", mkstream=True)

    async def _take(self, entry_id: bytes, fields: dict[bytes, bytes]) -> None:
        self.seen.append(fields)
        self.ids.append(entry_id)
        self.changed()
        if not self.holding:
            await self.answer(len(self.seen) - 1)

    async def answer(self, number: int, body: Any = None) -> None:
        """Answer a task, by its place among those that were seen; acknowledge it then."""
        task = self.seen[number]
        async with self.redis.pipeline(transaction=False) as pipe:
            for report in self.told:
                said = {"corr": task[b"corr"], "kind": "progress", "body": orjson.dumps(report)}
                pipe.xadd(task[b"reply_to"], said)
            answer = orjson.dumps(self.said if body is None else body)
            pipe.xadd(task[b"reply_to"], {"corr": task[b"corr"], "body": answer})
            pipe.xack(self.stream, self.group, self.ids[number])
            await pipe.execute()

    def tasks(self) -> list[Any]:
        """The tasks that were seen, as they were read."""
        return [orjson.loads(fields[b"task"]) for fields in self.seen]


@asynccontextmanager
async def redis_working(server: RedisServer, stream: str, **options: Any) -> AsyncIterator[RedisWorker]:
    """A worker at a stream, as long as the block lasts."""
    async with client_of(server) as redis:
        worker = RedisWorker(redis, stream, **options)
        working = asyncio.ensure_future(worker.work())
        try:
            yield worker
        finally:
            worker.ended = True
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


class RedisPeer:
    """A `Peer` of the tests of transports."""

    def __init__(self, worker: RedisWorker, server: RedisServer) -> None:
        self.worker = worker
        self.row: WorkerRow = a_worker(url=f"{server.url}/{worker.stream}")
        self.nobody: WorkerRow = a_worker(url=f"redis://127.0.0.1:{free_port()}/{worker.stream}")

    def answers(self, body: Any) -> None:
        self.worker.said = body

    def accepts(self) -> None:
        self.worker.holding = True

    def fails(self, error: Any) -> None:
        self.worker.said = {"error": error}

    def hangs(self) -> None:
        self.worker.holding = True

    def reports(self, body: Any) -> None:
        self.worker.told.append(body)

    def got(self) -> list[tuple[bytes, str]]:
        return [(seen[b"task"], seen[b"message_id"].decode()) for seen in self.worker.seen]

    async def until_asked(self) -> None:
        await self.worker.until(lambda: bool(self.worker.seen))

    async def until_left(self) -> None:
        raise AssertionError("a worker that reads a stream does not see who waits")


@asynccontextmanager
async def redis_peer() -> AsyncIterator[RedisPeer]:
    """A peer at a server of its own."""
    with own_redis() as server:
        async with redis_working(server, "tasks") as worker:
            yield RedisPeer(worker, server)
