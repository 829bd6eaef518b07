"""Streams of a run: read from its log, woken by what becomes durable, resumable at every event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from engine.driver.log import END_PART, Page, Position, RunLogs, States, StreamEvent
from engine.driver.reader import Reader
from engine.model import TERMINAL, RunHead, seq_of
from engine.telling import DEBUG, DETAILED, is_told
from engine.values import replace

IDLE_S = 30.0

__all__ = ["Position", "StreamEvent", "Streams"]

Told = AsyncIterator[list[StreamEvent]]
"""Events, as many at a time as are there."""


class Streams:
    """Makes streams; each goes through the log at its own pace, and nobody waits for it."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store, self.loop = reader, reader.store, reader.loop
        self.logs = RunLogs(reader)

    async def check(self, run_id: str, after: str | None) -> RunHead:
        """The run of a stream. Raises NotFound for an unknown run, Invalid for an unknown event id."""
        if after is not None:
            Position.parse(after)
        return await self.reader.head(run_id)

    async def stream(
        self, run_id: str, *, modes: frozenset[str], after: str | None, from_now: bool, until: str | None
    ) -> Told:
        """The events of a run in these modes: from the beginning, after an event id, or from now on."""
        head = await self.check(run_id, after)
        at = said = await self._begin(head, after, from_now)
        states = States(self.reader, head)
        while True:
            changes = self.loop.changes(head.key)
            page = await self.logs.page(head, at)
            if page is None:
                return
            if page.entries:
                told = await self._told(page, modes, states)
                ends = _end_in(told, until)
                if told:
                    yield told[:ends]
                    said = Position.parse(told[-1].id)
                if ends is not None:
                    return
                at = page.end
            elif page.status in TERMINAL:
                if not at.is_end:
                    yield [_end(head, said, page.status)]
                return
            else:
                await self.loop.next_change(head.key, changes, IDLE_S, every=bool(modes & DETAILED))

    async def _begin(self, head: RunHead, after: str | None, from_now: bool) -> Position:
        if after is not None:
            return Position.parse(after)
        return Position(seq_of(head.head), await self.store.last_event(head.key)) if from_now else Position()

    async def _told(self, page: Page, modes: frozenset[str], states: States) -> list[StreamEvent]:
        """What of a page is told in these modes. States of a long page, which one reader reads, are not kept."""
        with_states = "values" in modes or DEBUG in modes
        if with_states and page.is_live:
            await self.logs.fill(page)
        found = []
        for entry in page.entries:
            for event in entry.events:
                if not is_told(event.event, modes):
                    continue
                if event.event == "values" and not page.with_states and entry.commit is not None:
                    data = {**event.data, "state": await states.after(entry.commit)}
                    event = replace(event, data=data, frame=None)
                found.append(event)
        if not found:
            await asyncio.sleep(0)  # a long log that says nothing in these modes holds nobody up
        return found


def _end_in(told: list[StreamEvent], until: str | None) -> int | None:
    """How many of these events there are up to the one that a stream ends with; None where it goes on."""
    if until is None:
        return None
    ends = (place for place, event in enumerate(told, 1) if event.event == "run" and event.data["status"] == until)
    return next(ends, None)


def _end(head: RunHead, at: Position, status: str) -> StreamEvent:
    """The last event of a stream, whose place is that of the last that was told: what came late and was not told in
    these modes does not move it. Should the run go on later, a stream goes on after it."""
    return StreamEvent(str(replace(at, part=END_PART, piece=0)), "end", {"run_id": head.id, "status": status})
