"""Rights that agents wait for: they may be given elsewhere, and then the run goes on without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from engine.driver.unanswered import PAGE, asked_by
from engine.errors import EngineError, StoreUnavailable
from engine.filters import InterruptFilter
from engine.kinds import AUTH
from engine.model import seq_of
from engine.outbox import Outbox
from engine.ports import Batch, InterruptRow, Store

OPEN = "open"
AGAIN_S = 1.0
"""After so long it is tried again to go on, where the store failed."""

log = structlog.get_logger(__name__)


class Rights:
    """Watches what agents wait for whose interrupts of kind `auth` are open. `go_on` answers one of them with null, in
    the name of the agent; it raises EngineError."""

    def __init__(self, store: Store, outbox: Outbox, go_on: Callable[[InterruptRow], Awaitable[None]]) -> None:
        self._store, self._outbox, self._go_on = store, outbox, go_on
        self._watching: dict[str, asyncio.Task[None]] = {}

    async def open(self) -> None:
        """Watch those that were open before a restart."""
        cursor = None
        while True:
            page = await self._store.interrupts(OPEN, None, PAGE, cursor, InterruptFilter(kind=AUTH))
            for row in page.items:
                self._begin(row)
            if (cursor := page.next_cursor) is None:
                return

    async def close(self) -> None:
        """Watch nothing more. Idempotent."""
        watching = list(self._watching.values())
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)

    def follow(self, batch: Batch) -> None:
        """Begin to watch what has been opened, and end it for what is open no more; all of it is durable."""
        for row in batch.interrupts:
            if row.kind == AUTH:
                self._begin(row)
        for name, status, _ in batch.interrupts_ended:
            if (task := self._watching.pop(name, None)) is not None:
                task.cancel()
            if status == OPEN:
                self._watching[name] = asyncio.create_task(self._again(name))

    def _begin(self, row: InterruptRow) -> None:
        self._watching[row.id] = asyncio.create_task(self._watch(row))

    async def _again(self, name: str) -> None:
        """Watch one that a retry has opened again."""
        row = await self._store.interrupt(name)
        if row is not None and row.kind == AUTH:
            await self._watch(row)

    async def _watch(self, row: InterruptRow) -> None:
        head = await self._store.run_by_key(row.run_key)
        commit = None if head is None else await asked_by(self._store, row, seq_of(head.head) + 1)
        if commit is None or commit.worker is None:
            return
        if not await self._outbox.gone_on(commit.worker, commit.answer):
            return
        self._watching.pop(row.id, None)  # what follows ends it
        while True:
            try:
                await self._go_on(row)
                return
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
            except EngineError as error:  # somebody has answered, or cancelled the run
                log.info("right.not_needed", run_id=row.run_id, node=row.node, error=error.message)
                return
