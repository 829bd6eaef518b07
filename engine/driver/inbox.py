"""The inbox: the questions of all runs, with what is known where they were asked."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from engine.driver.reader import Reader
from engine.errors import NotFound
from engine.excerpt import Excerpt, excerpt_of
from engine.ports import InterruptFilter, InterruptRow, Page
from engine.render_interrupts import interrupt_json

OPEN = "open"
KEPT = 4096
"""The excerpts of so many interrupts are kept: a few kilobytes each."""


class Inbox:
    """Lists interrupts. Of open ones it shows an excerpt of the state that they ask about: a task sees what it saw when
    it was activated, so that each excerpt is made once, and who looks again reads no states."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store = reader, reader.store
        self._kept: OrderedDict[str, Excerpt | None] = OrderedDict()

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
        excerpts: dict[str, Excerpt | None] = {}
        for row in (row for row in rows if row.status == OPEN):
            if row.id in self._kept:
                self._kept.move_to_end(row.id)
                excerpts[row.id] = self._kept[row.id]
            else:
                by_run.setdefault(row.run_key, []).append(row)
        for key, asked in by_run.items():
            found = await self._excerpts(key, asked)
            self._keep(found)
            excerpts |= found
            await asyncio.sleep(0)
        now = self.reader.loop.clock()
        return [interrupt_json(row, now, excerpts.get(row.id)) for row in rows]

    def _keep(self, excerpts: dict[str, Excerpt | None]) -> None:
        """Keep excerpts for who looks again; those go that were not looked at for longest."""
        self._kept |= excerpts
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def _excerpts(self, run_key: int, asked: list[InterruptRow]) -> dict[str, Excerpt | None]:
        """What the tasks of one run see that ask; nothing of a run that has gone on meanwhile."""
        head = await self.store.run_by_key(run_key)
        if head is None:
            return {}
        run = await self.reader.as_seen(head)
        tasks = ((row.id, run.open_task(row.task_id)) for row in asked)
        return {name: excerpt_of(run, task) for name, task in tasks if task is not None}
