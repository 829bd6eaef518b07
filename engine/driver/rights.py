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
                self._begin(row.id)
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
                self._begin(row.id)
        for name, status, _ in batch.interrupts_ended:
            if (task := self._watching.pop(name, None)) is not None:
                task.cancel()
            if status == OPEN:
                self._begin(name)

    def _begin(self, name: str) -> None:
        self._watching[name] = asyncio.create_task(self._watch(name))

    async def _watch(self, name: str) -> None:
        """Go on once the agent does; a store that fails meanwhile is asked again."""
        while True:
            try:
                return await self._wait_and_go_on(name)
            except StoreUnavailable:
                await asyncio.sleep(AGAIN_S)
            except EngineError as error:  # somebody has answered, or cancelled the run
                log.info("right.not_needed", interrupt_id=name, error=error.message)
                return None

    async def _wait_and_go_on(self, name: str) -> None:
        row = await self._store.interrupt(name)
        head = None if row is None or row.kind != AUTH else await self._store.run_by_key(row.run_key)
        if row is None or head is None:
            return
        commit = await asked_by(self._store, row, seq_of(head.head) + 1)
        if commit is None or commit.worker is None or not await self._outbox.gone_on(commit.worker, commit.answer):
            return
        self._watching.pop(name, None)  # what follows ends it
        await self._go_on(row)
