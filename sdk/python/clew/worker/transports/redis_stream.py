"""The `redis_stream` transport: tasks are entries of a stream, which many processes may read in one group."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from secrets import token_hex
from typing import Any

from clew._backoff import Backoff
from clew._json import encode
from clew.models import Json
from clew.worker._cancelled import heed_cancel
from clew.worker._reply import BEAT_S
from clew.worker._reports import LineDown
from clew.worker.registration import Registration, first_of
from clew.worker.shift import Shift
from clew.worker.transports._broker import Broker, Connecting, broker_of
from clew.worker.transports._options import Options, missing, say_ready

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError, ResponseError
except ImportError:
    raise missing("redis", "redis") from None

PORTS = {"redis": 6379, "rediss": 6379}
GROUP = "clew-workers"
BLOCK_MS = 1000
DEAD_MS = 60_000
"""An entry that nobody has touched for so long belonged to a process that is dead: what is worked at is touched."""
LOOK_EVERY_S = 15.0

log = logging.getLogger(__name__)

Entry = tuple[bytes, Mapping[bytes, bytes]]


class RedisStream:
    """Reads a stream in a group, with a name of its own in it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._consumer = token_hex(8)

    async def serve(self, shift: Shift) -> None:
        """Register, read, answer. The registration and the group stay: what was sent already waits in the stream."""
        broker = broker_of(self.options, shift.worker.id, PORTS)
        async with self.options.client() as client, _redis(broker) as redis:
            entry = Registration(shift, client, "redis_stream", url=broker.url, token=broker.token)
            if await entry.enter():
                reader = _Reader(shift, redis, broker, self._consumer)
                await reader.until_closing(reader.make_group)
                if not shift.closing.is_set():
                    say_ready(broker.url)
                loops = [asyncio.create_task(loop()) for loop in (reader.take_over, reader.cancels)]
                try:
                    async with entry.kept():
                        await reader.until_closing(reader.read)
                    await entry.rest()
                    await shift.drained()
                finally:
                    for loop in loops:
                        loop.cancel()
                    await asyncio.gather(*loops, return_exceptions=True)


class _Reader:
    """Takes entries as long as the shift has room, and acknowledges each when its answer is in the reply stream."""

    def __init__(self, shift: Shift, redis: Redis, broker: Broker, consumer: str) -> None:
        self._shift, self._redis, self._stream, self._consumer = shift, redis, broker.channel, consumer
        self._connecting = Connecting(broker)

    async def until_closing(self, work: Callable[[], Awaitable[bool]]) -> None:
        """Do something until it says that it is done, or the shift ends; Redis may be away meanwhile."""
        connecting = self._connecting
        while not self._shift.closing.is_set():
            try:
                is_done = await work()
                connecting.reached()
                if is_done:
                    return
                connecting.backoff.begin()
            except (RedisError, OSError) as error:
                connecting.missed(error)
                await first_of(self._shift.closing.wait(), connecting.backoff.wait())

    async def make_group(self) -> bool:
        """Have the group, and the stream."""
        try:
            await self._redis.xgroup_create(self._stream, GROUP, "0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        return True

    async def read(self) -> bool:
        """Read once, when there is room. What is read in the moment of the end is still worked at."""
        await first_of(self._shift.room(), self._shift.closing.wait())
        if self._shift.closing.is_set():
            return True
        try:
            found: Any = await self._redis.xreadgroup(
                GROUP, self._consumer, {self._stream: ">"}, count=max(self._shift.free, 1), block=BLOCK_MS
            )
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            return not await self.make_group()  # Redis has lost what it had
        for _, entries in found or ():
            self._take(entries)
        return False

    async def take_over(self) -> None:
        """Every now and then, take what dead processes have left."""
        while True:
            heed_cancel()
            await asyncio.sleep(LOOK_EVERY_S)
            if self._shift.free and not self._shift.closing.is_set():
                try:
                    claimed: Any = await self._redis.xautoclaim(
                        self._stream, GROUP, self._consumer, DEAD_MS, count=self._shift.free
                    )
                except (RedisError, OSError) as error:
                    log.warning("nothing can be taken over: %s", error)
                else:
                    self._take([entry for entry in claimed[1] if entry is not None and entry[1]])

    async def cancels(self) -> None:
        """Hear of tasks that nobody wants any more."""
        last: Any = "$"
        backoff = Backoff(inf)
        while True:
            try:
                found: Any = await self._redis.xread({f"{self._stream}:cancel": last}, block=BLOCK_MS)
            except (RedisError, OSError):
                heed_cancel()
                await backoff.wait()
                continue
            heed_cancel()
            backoff.begin()
            for _, entries in found or ():
                for entry_id, fields in entries:
                    last = entry_id
                    self._shift.cancel(fields[b"task_id"].decode())

    def _take(self, entries: Sequence[Entry]) -> None:
        for entry_id, fields in entries:
            self._shift.hold(self._work(entry_id, fields))

    async def _work(self, entry_id: bytes, fields: Mapping[bytes, bytes]) -> None:
        line = _ReplyStream(self._redis, fields[b"reply_to"], fields[b"corr"], self._touch(entry_id))
        body = await self._shift.perform(json.loads(fields[b"task"]), fields[b"message_id"].decode(), line)
        backoff = Backoff(inf)
        while True:
            try:
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.xadd(fields[b"reply_to"], {"corr": fields[b"corr"], "body": encode(body)})
                    pipe.xack(self._stream, GROUP, entry_id)
                    await pipe.execute()
                return
            except (RedisError, OSError) as error:
                log.warning("an answer cannot be given yet: %s", error)
            await backoff.wait()

    def _touch(self, entry_id: bytes) -> Callable[[], Awaitable[Any]]:
        """Say that an entry is worked at."""

        async def touch() -> None:
            await self._redis.xclaim(self._stream, GROUP, self._consumer, 0, [entry_id], justid=True)

        return touch


class _ReplyStream:
    """The line of one task: its reports are entries of the reply stream. A cancel comes by a stream of its own."""

    beat_s = BEAT_S

    def __init__(self, redis: Redis, stream: bytes, corr: bytes, touch: Callable[[], Awaitable[Any]]) -> None:
        self._redis, self._stream, self._corr, self._touch = redis, stream, corr, touch

    async def report(self, reports: Sequence[Json]) -> bool:
        await self._add([{"kind": "progress", "body": encode(report)} for report in reports])
        return True

    async def heartbeat(self) -> bool:
        await self._add([{"kind": "heartbeat"}])
        return True

    async def _add(self, entries: Sequence[dict[Any, Any]]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for entry in entries:
                    pipe.xadd(self._stream, {**entry, "corr": self._corr})
                await pipe.execute()
            await self._touch()
        except (RedisError, OSError) as error:
            raise LineDown(str(error)) from error


def _redis(broker: Broker) -> Redis:
    db = broker.path.strip("/")
    return Redis(
        host=broker.host,
        port=broker.port,
        db=int(db) if db.isdigit() else 0,
        username=broker.user,
        password=broker.password,
        ssl=broker.tls,
        protocol=2,
    )


def open_transport(options: Options) -> RedisStream:
    """The transport that the options describe."""
    return RedisStream(options)
