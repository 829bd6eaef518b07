"""The inbox: the questions of all runs, with what is known where they were asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from engine.driver.reader import Reader
from engine.errors import NotFound
from engine.excerpt import Excerpt, excerpt_of
from engine.ports import InterruptFilter, InterruptRow, Page
from engine.render import interrupt_json

OPEN = "open"


class Inbox:
    """Lists interrupts. Of open ones it shows an excerpt of the state that they ask about."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store = reader, reader.store

    async def page(
        self, status: str | None, run_id: str | None, where: InterruptFilter, limit: int, cursor: str | None
    ) -> Page[dict[str, Any]]:
        """Interrupts over all runs, newest first. Raises NotFound where the run that they shall be of is none."""
        key = None if run_id is None else (await self.reader.head(run_id)).key
        found = await self.store.interrupts(status, key, limit, cursor, where)
        return Page(items=tuple(await self._shown(found.items)), next_cursor=found.next_cursor)

    async def get(self, interrupt_id: str) -> dict[str, Any]:
        """One interrupt. Raises NotFound."""
        return (await self._shown([await self.row(interrupt_id)]))[0]

    async def row(self, interrupt_id: str) -> InterruptRow:
        """One interrupt as it is stored. Raises NotFound."""
        row = await self.store.interrupt(interrupt_id)
        if row is None:
            raise NotFound(f"there is no interrupt '{interrupt_id[:80]}'")
        return row

    async def _shown(self, rows: Sequence[InterruptRow]) -> list[dict[str, Any]]:
        by_run: dict[int, list[InterruptRow]] = {}
        for row in rows:
            if row.status == OPEN:
                by_run.setdefault(row.run_key, []).append(row)
        excerpts: dict[str, Excerpt | None] = {}
        for key, asked in by_run.items():
            excerpts |= await self._excerpts(key, asked)
            await asyncio.sleep(0)
        now = self.reader.loop.clock()
        return [interrupt_json(row, now, excerpts.get(row.id)) for row in rows]

    async def _excerpts(self, run_key: int, asked: list[InterruptRow]) -> dict[str, Excerpt | None]:
        """What the tasks of one run see that ask; nothing of a run that has gone on meanwhile."""
        head = await self.store.run_by_key(run_key)
        if head is None:
            return {}
        run = await self.reader.as_seen(head)
        tasks = ((row.id, run.open_task(row.task_id)) for row in asked)
        return {name: excerpt_of(run, task) for name, task in tasks if task is not None}
