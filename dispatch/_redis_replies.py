"""Reads the reply stream of a Redis server, in a group: what one engine leaves unacknowledged, another takes over."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import structlog
from redis.exceptions import ResponseError

from dispatch._inbox import Inbox
from dispatch._redis_address import Place
from dispatch._redis_entries import EntryId, entries_claimed, entries_read, pairs
from dispatch._redis_intake import Intake
from dispatch._redis_wire import Away, Wire, pauses

GROUP = "clew"
BLOCK_MS = 1_000
AT_A_TIME = 128
TAKE_OVER_MS = 3_000
"""What was read so long ago and is not acknowledged is taken over: by then whoever read it has died, or waits for its
store. It is harmless when two give the same to their store."""
TAKE_OVER_EVERY_S = 1.0
GONE_MS = 24 * 3600 * 1000
"""A consumer that has read nothing for so long, and holds nothing, is forgotten."""
CLOSE_S = 3.0

log = structlog.get_logger(__name__)


def reply_stream(server: str) -> str:
    """Where the workers of a server answer; other servers may use the same Redis."""
    return f"clew:{server}:replies"


class Replies:
    """Reads and acknowledges as long as `run` runs; connects again and again, at longer and longer intervals.

    `wire` carries the acknowledgements; reads block, so they have a connection of their own. `heard` is told whether
    Redis is there, first when that is known.
    """

    def __init__(
        self,
        place: Place,
        server: str,
        inbox: Inbox,
        wire: Wire,
        heard: Callable[[bool], None],
        *,
        take_over_ms: int = TAKE_OVER_MS,
    ) -> None:
        self._broker, self._stream, self._wire, self._heard = str(place), reply_stream(server), wire, heard
        self._take_over_ms = take_over_ms
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._reading = Wire(place)
        self._intake = Intake(inbox, self._durable)
        self._unacknowledged: set[EntryId] = set()
        self._some, self._none = asyncio.Event(), asyncio.Event()
        self._here: bool | None = None
        self._take_over_at = 0.0
        self._pauses: Iterator[float] = pauses()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Read from now on, until `close`."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(work, name="redis replies") for work in (self._follow(), self._acknowledge())]

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Read no more; what was read is given to the inbox and acknowledged, unless that takes long. Idempotent."""
        follow, acknowledge = self._tasks or (None, None)
        self._tasks = []
        if follow is None or acknowledge is None:
            return
        await _ended(follow)
        await self._reading.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s if self._here else 0.0):
                await self._intake.idle()
                while self._unacknowledged:
                    self._none.clear()
                    await self._none.wait()
        await self._intake.close()
        await _ended(acknowledge)

    # ---- reading

    async def _follow(self) -> None:
        while True:
            try:
                await self._read_on()
            except Away as away:
                self._lost(away)
            except Exception:  # the root of a task: one reply that nobody understands must not end it
                log.exception("redis.reader_failed", broker=self._broker)
            await asyncio.sleep(next(self._pauses))

    async def _read_on(self) -> None:
        """Read until Redis is away. Raises Away."""
        create = ("XGROUP", "CREATE", self._stream, GROUP, "0", "MKSTREAM")
        [made] = await self._reading.ask(create)
        if not (isinstance(made, ResponseError) and "BUSYGROUP" in str(made)):
            _good(made)
        self._take_over_at = 0.0
        await self._read_again()
        await self._take_over()
        await self._forget_gone()
        self._found()
        while True:
            await self._intake.has_room()
            await self._take_over()
            await self._read_new()

    async def _read_new(self) -> None:
        for entry in entries_read(await self._read(">", "BLOCK", BLOCK_MS)):
            self._intake.take(entry)

    async def _read_again(self) -> None:
        """What this consumer was sent over a connection that was lost on the way."""
        last = b"0"
        while entries := entries_read(await self._read(last)):
            last = entries[-1].id
            for entry in entries:
                self._intake.take(entry)
            await self._intake.has_room()

    async def _read(self, after: bytes | str, *options: str | int) -> Any:
        most = max(1, min(AT_A_TIME, self._intake.room))
        who = ("XREADGROUP", "GROUP", GROUP, self._consumer, "COUNT", most)
        wait_s = BLOCK_MS / 1000 if options else 0.0
        [reply] = await self._reading.ask((*who, *options, "STREAMS", self._stream, after), wait_s=wait_s)
        return _good(reply)

    async def _take_over(self) -> None:
        """What others have read and not acknowledged for long; looked for now and then."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._take_over_at:
            return
        self._take_over_at = loop.time() + TAKE_OVER_EVERY_S
        cursor, claim = b"0-0", ("XAUTOCLAIM", self._stream, GROUP, self._consumer, self._take_over_ms)
        while True:
            [reply] = await self._reading.ask((*claim, cursor, "COUNT", AT_A_TIME))
            cursor, entries = entries_claimed(_good(reply))
            for entry in entries:
                self._intake.take(entry)
            if cursor == b"0-0" or self._intake.room <= 0:
                return

    async def _forget_gone(self) -> None:
        """Consumers that are no more: engines that ended."""
        [reply] = await self._reading.ask(("XINFO", "CONSUMERS", self._stream, GROUP))
        for consumer in map(pairs, () if isinstance(reply, ResponseError) else reply):
            if consumer[b"pending"] == 0 and consumer[b"idle"] > GONE_MS:
                await self._reading.ask(("XGROUP", "DELCONSUMER", self._stream, GROUP, consumer[b"name"]))

    def _found(self) -> None:
        self._pauses = pauses()
        if self._here is False:
            log.info("redis.back", broker=self._broker)
        if self._here is not True:
            self._here = True
            self._heard(True)

    def _lost(self, away: Away) -> None:
        if self._here is not False:
            self._here = False
            log.warning("redis.away", broker=self._broker, error=str(away))
            self._heard(False)

    # ---- acknowledging

    def _durable(self, entry_id: EntryId) -> None:
        self._unacknowledged.add(entry_id)
        self._some.set()

    async def _acknowledge(self) -> None:
        """Acknowledge and delete what is durable. It is deleted first: were it the other way round, and the connection
        cut in between, it would stay in the stream for ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            ids = tuple(self._unacknowledged)
            for pause in pauses():
                try:
                    for reply in await self._wire.ask(
                        ("XDEL", self._stream, *ids), ("XACK", self._stream, GROUP, *ids)
                    ):
                        _good(reply)
                    break
                except Away as away:
                    log.debug("redis.unacknowledged", broker=self._broker, error=str(away))
                    await asyncio.sleep(pause)
            self._unacknowledged.difference_update(ids)
            for entry_id in ids:
                self._intake.forget(entry_id)
            self._none.set()


def _good(reply: Any) -> Any:
    """A reply that is no error. Raises Away."""
    if isinstance(reply, ResponseError):
        raise Away(f"Redis says: {reply}")
    return reply


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
