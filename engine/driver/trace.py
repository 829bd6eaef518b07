"""The trace of a run, read from its log a page at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import field
from itertools import count
from typing import Any

from engine.address import interrupt_id_of
from engine.driver.cursors import no_cursor
from engine.driver.lines import Lines
from engine.driver.pages import Line
from engine.driver.reader import Reader
from engine.frame import nodes_of
from engine.gates import NO_STOPS, gates_of, stops_in, stops_of
from engine.graph import Graph
from engine.lines import version_at
from engine.model import Commit, Ref, RunHead, Task, seq_of
from engine.ports import InterruptRow
from engine.record import decode
from engine.render import branch_name
from engine.run import Run
from engine.times import rfc3339
from engine.trace import Causes, Span, open_join_json, open_spans, span_json, spans_of
from engine.values import dataclass

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ends: behind this commit, and so many of the open tasks."""

    seq: int = 0
    shown: int = 0

    @classmethod
    def parse(cls, cursor: str | None) -> Place:
        """The place that a cursor names. Raises Invalid."""
        parts = () if cursor is None else cursor.split(".")
        if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 13 for part in parts):
            raise no_cursor()
        return cls(*map(int, parts))

    def __str__(self) -> str:
        return f"{self.seq}.{self.shown}"


class Traces:
    """Tells how runs went."""

    def __init__(self, reader: Reader, lines: Lines) -> None:
        self.reader, self.lines = reader, lines

    async def of(self, run_id: str, *, branch: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
        """A page of the tasks on a branch (None: the current one), by their ends, then those that are open; with the
        last page also the joins that wait. Raises NotFound or Invalid."""
        head, after = await self.reader.head(run_id), Place.parse(cursor)
        line = await (self.reader.line(head) if branch is None else self.reader.branch(head, branch))
        page = _Page(limit)
        turns = await self.reader.loader.turns(head.key)
        async for commit in self._commits(line, after.seq):
            graph = await self._graph(head, version_at(turns, commit.seq, head.workflow_version))
            page.items += [await self._item(head, graph, span) for span in spans_of(commit)]
            if len(page.items) >= limit:
                page.next = Place(commit.seq)
                break
        else:
            if line.newest == seq_of(head.head):
                await self._add_open(page, head, Place(line.newest, after.shown if after.seq == line.newest else 0))
        return {
            "run_id": head.id,
            "workflow_id": head.workflow_id,
            "status": head.status,
            "branch": branch or branch_name(head.branch),
            "created_at": rfc3339(head.created_at),
            "finished_at": rfc3339(head.finished_at),
            "items": page.items,
            "joins": page.joins,
            "next_cursor": None if page.next is None else str(page.next),
        }

    async def _add_open(self, page: _Page, head: RunHead, at: Place) -> None:
        """Add open tasks, as many as there is room for; then the joins that wait."""
        run = await self.reader.at_head(head)
        left, room = open_spans(run)[at.shown :], page.limit - len(page.items)
        page.items += [await self._item(head, run.graph, span) for span in left[:room]]
        if len(left) > room:
            page.next = Place(at.seq, at.shown + room)
        else:
            page.joins = await self._joins(run)

    async def _commits(self, line: Line, after: int) -> AsyncIterator[Commit]:
        """The commits of a line behind one of them, oldest first."""
        for first in range(after + 1, line.newest + 1, CHUNK):
            for row in await line.between(first, min(first + CHUNK - 1, line.newest)):
                yield decode(row)

    async def _graph(self, head: RunHead, version: int) -> Graph:
        return await self.reader.loader.graph(head.workflow_id, version)

    async def _item(self, head: RunHead, graph: Graph, span: Span) -> dict[str, Any]:
        await asyncio.sleep(0)
        task, store = span.task, self.reader.store
        causes, names = await self._causes(task.causes)
        if span.ended is not None:
            names[span.ended] = await self.lines.name(span.ended)
        events = await store.task_events(head.key, task.id)
        return span_json(span, graph, causes, names.__getitem__, events, await self._interrupts(head, graph, task))

    async def _causes(self, refs: Iterable[Ref]) -> tuple[Causes, dict[Ref, str]]:
        """The commits with these refs, and their names."""
        rows = await self.reader.store.commits_at(list(dict.fromkeys(refs)))
        found = {commit.ref: commit for commit in map(decode, rows)}
        return found, {ref: await self.lines.name(ref) for ref in found}

    async def _interrupts(self, head: RunHead, graph: Graph, task: Task) -> list[InterruptRow]:
        """What a task has asked, and the breakpoints that held it; their ids follow from its own."""
        stops = stops_of(graph, head.interrupt_before, head.interrupt_after)
        stops = stops_in(graph, stops, nodes_of(task.wave.frame))
        found = list[InterruptRow]()
        for asker in (task, *(gates_of(task) if stops is not NO_STOPS else ())):
            for number in count():
                row = await self.reader.store.interrupt(interrupt_id_of(asker, number))
                if row is None:
                    break
                found.append(row)
        return sorted(found, key=lambda row: row.created_at)

    async def _joins(self, run: Run) -> list[dict[str, Any]]:
        found = list[dict[str, Any]]()
        waves = [item for frame in run.frames.by_id.values() for item in frame.frontier.waves.items()]
        for wave, arrivals in waves:
            causes, names = await self._causes(one.cause for one in arrivals)
            found.append(open_join_json(run.graph, wave, arrivals, causes, names.__getitem__))
        return found


@dataclass(slots=True)
class _Page:
    """A page in the making, of at most `limit` tasks; a commit that ends several is not torn apart."""

    limit: int
    items: list[dict[str, Any]] = field(default_factory=list)
    joins: list[dict[str, Any]] = field(default_factory=list)
    next: Place | None = None
