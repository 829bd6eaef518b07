"""Leases: workers that come for their tasks, and wait until there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from starlette.requests import ClientDisconnect

from api.closing import Closing
from api.schemas_workers import AskedLease
from api.workers import Workers
from dispatch._asks import Ask, Asks
from dispatch._envelope import Envelope
from dispatch._visitors import visitor
from engine.codec import write
from engine.driver import Engine
from engine.errors import Draining, Invalid
from engine.ports import WorkerRow
from engine.times import rfc3339

PROTOCOL = "pull"
BEATS = 3
"""So many heartbeats fit into a lease."""


class Leases:
    """Takes the asks of workers to the outbox. `clock` gives milliseconds since the epoch."""

    def __init__(
        self, asks: Asks, workers: Workers, engine: Engine, closing: Closing, clock: Callable[[], int]
    ) -> None:
        self.asks, self.workers, self.engine, self.closing, self.clock = asks, workers, engine, closing, clock

    async def lease(self, asked: AskedLease, left: Callable[[], Coroutine[Any, Any, None]]) -> bytes:
        """The tasks that a worker gets now, or as soon as there are some, as JSON; `left` returns when it hangs up.

        Raises Draining, NotFound, Invalid, StoreUnavailable, or ClientDisconnect: then it was given nothing.
        """
        self._require_open()
        worker, visits = await self._worker(asked)
        with self.asks.open(worker, asked.max, asked.lease_ms, visits=visits) as ask:
            await ask.wait(0)
            if not ask.taken and asked.patience_s:
                await self._wait(ask, asked.patience_s, left)
        if not ask.taken:
            self._require_open()
        return self._answer(ask.taken, asked.lease_ms)

    def end_waiting(self) -> None:
        """Have nobody wait any more: the server begins nothing now."""
        self.asks.end_waiting()

    def _require_open(self) -> None:
        if self.engine.draining or self.closing.is_set():
            raise Draining("the server is being drained and gives out no tasks; ask the next one")
        self.engine.loop.recovery.require_store()

    async def _worker(self, asked: AskedLease) -> tuple[WorkerRow, bool]:
        if asked.worker_id is None:
            return visitor(tuple(asked.tags), PROTOCOL), True
        row = await self.workers.get(asked.worker_id)
        if row.protocol != PROTOCOL:
            why = f"worker '{row.id}' is reached by {row.protocol}; only those of the protocol {PROTOCOL} ask for tasks"
            raise Invalid(why, "worker.protocol")
        self.workers.beats.seen(row.id)
        return row, False

    async def _wait(self, ask: Ask, seconds: float, left: Callable[[], Coroutine[Any, Any, None]]) -> None:
        gone = asyncio.ensure_future(left())
        with self.engine.loop.guests.away():
            await first_of(gone, asyncio.ensure_future(ask.wait(seconds)), asyncio.ensure_future(self.closing.wait()))
        if not gone.cancelled():
            self.asks.give_back(ask)
            raise ClientDisconnect

    def _answer(self, taken: list[Envelope], lease_ms: int) -> bytes:
        lease = {"expires_at": rfc3339(self.clock() + lease_ms), "heartbeat_ms": max(lease_ms // BEATS, 1)}
        items = []
        for task in taken:
            rest = write({"reply_to": task.reply_to, "message_id": task.message_id, "lease": lease})
            items.append(b'{"task":%b,%b' % (task.body, rest[1:]))
        return b'{"items":[%b]}' % b",".join(items)


async def first_of(*tasks: asyncio.Future[Any]) -> None:
    """Wait for the first of these, and end the others."""
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def leaving(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Coroutine[Any, Any, None]]:
    """What returns when the client hangs up; its body has been read."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            continue

    return left
