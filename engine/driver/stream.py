"""Streams of a run: read from the log, woken by what becomes durable, resumable at every event."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from engine import render
from engine.driver.reader import Reader
from engine.errors import Invalid
from engine.model import TERMINAL, Commit, Kind, RunHead, RunStatus, TaskStatus, seq_of
from engine.ports import CommitRow, EventRow
from engine.record import decode
from engine.run import Run

PAGE = 200
IDLE_S = 30.0
MODE_OF = {"task": "tasks"}
TASK_EVENTS = {
    "dispatch": ("NODE_STARTED", TaskStatus.RUNNING),
    "waiting": ("NODE_WAITING", TaskStatus.WAITING),
    "retry": ("NODE_RETRYING", TaskStatus.RETRYING),
}


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `id` is where a stream that was cut off goes on."""

    id: str
    event: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a run's log: `seq` is the newest commit told of, `n` the newest event between commits, `part` how
    many of the commit's own events were told (0: all of them)."""

    seq: int = 0
    n: int = 0
    part: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}.{self.part}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises Invalid for what no stream gave out."""
        parts = text.split(".")
        if len(parts) != 3 or not all(p.isascii() and p.isdigit() and len(p) < 12 for p in parts):
            raise Invalid("the event id is none that a stream gave out", "stream.event_id")
        return cls(*map(int, parts))


class Streams:
    """Makes streams; each reads the log in pages at its own pace."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store, self.loop = reader, reader.store, reader.loop

    async def check(self, run_id: str, after: str | None) -> RunHead:
        """The run of a stream. Raises NotFound for an unknown run, Invalid for an unknown event id."""
        if after is not None:
            Position.parse(after)
        return await self.reader.head(run_id)

    async def stream(
        self, run_id: str, *, modes: frozenset[str], after: str | None, from_now: bool, until: str | None
    ) -> AsyncIterator[StreamEvent]:
        """The events of a run in these modes: from the beginning, after an event id, or from now on."""
        head = await self.check(run_id, after)
        at = Position.parse(after) if after is not None else Position()
        if from_now and after is None:
            at = Position(seq_of(head.head), await self.store.last_event(head.key))
        tail = _Tail(self.reader, head, modes, at)
        while True:
            for event in await tail.page():
                yield event
                if until is not None and event.event == "run" and event.data["status"] == until:
                    return
            if tail.ended:
                return
            if tail.complete:
                await self.loop.next_change(head.key, tail.told, IDLE_S)


class _Tail:
    """Reads on from a position: merges commits and the events between them into one order."""

    def __init__(self, reader: Reader, head: RunHead, modes: frozenset[str], at: Position) -> None:
        self.store, self.reader = reader.store, reader
        self.head, self.modes, self.at = head, modes, at
        self.run: Run | None = None
        self.before: str | None = None
        self.complete, self.ended, self.told = False, False, 0

    async def page(self) -> list[StreamEvent]:
        """What has become durable since, in order; sets `complete` when there was no more, `ended` after the end."""
        self.told = self.reader.loop.changes(self.head.key)
        newest = await self.store.run_by_key(self.head.key)
        if newest is None:
            self.ended = True
            return []
        first = self.at.seq if self.at.part else self.at.seq + 1
        last = min(seq_of(newest.head), first + PAGE)
        rows = await self.store.commits(self.head.key, first, last) if last >= first else []
        events = await self.store.events(self.head.key, self.at.n, PAGE)
        if len(events) == PAGE:
            rows = [row for row in rows if row.seq <= events[-1].seq]
            last = min(last, events[-1].seq)
        self.complete = last == seq_of(newest.head) and len(events) < PAGE
        found: list[StreamEvent] = []
        for row, event in _merged(rows, events, last):
            if row is not None:
                found += await self._tell_commit(row)
            elif event is not None:
                found += self._tell_event(event)
        return found

    def _tell_event(self, event: EventRow) -> list[StreamEvent]:
        self.at = Position(max(self.at.seq, event.seq), event.n)
        if event.kind == "run":
            data = {"run_id": self.head.id, "status": event.body["status"], "error": None}
            found = [StreamEvent(str(self.at), "run", {**data, "at": render.rfc3339(event.at)})]
            self.before = event.body["status"]
            if event.body["status"] in TERMINAL:
                self.ended = True
                found.append(StreamEvent(f"{self.at.seq}.{self.at.n}.0", "end", data))
            return found
        shape = self._task_event(event)
        return [StreamEvent(str(self.at), "task", shape)] if shape is not None else []

    def _task_event(self, event: EventRow) -> dict[str, Any] | None:
        if event.kind not in TASK_EVENTS or "tasks" not in self.modes:
            return None
        kind, status = TASK_EVENTS[event.kind]
        body = event.body
        data = render.task_event(None, kind, status, event.at, body["attempt"], body.get("worker"))
        more = {key: body[key] for key in ("reason", "error", "index") if key in body}
        return {**data, "task_id": event.task_id, "node": body.get("node"), **more}

    async def _tell_commit(self, row: CommitRow) -> list[StreamEvent]:
        commit = decode(row)
        await self._follow(commit)
        before = await self._status_before(row)
        skip = self.at.part if row.seq == self.at.seq else 0
        parts = self._parts(commit, before)
        found = [
            StreamEvent(str(Position(row.seq, self.at.n, number)), name, data)
            for number, (name, data) in enumerate(parts, start=1)
            if number > skip
        ]
        self.at, self.before = Position(row.seq, self.at.n), row.status
        self.ended = bool(parts) and parts[-1][0] == "end"
        return found

    def _parts(self, commit: Commit, before: str) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name, data in render.commit_events(commit, before, self.head.id):
            if name == "values":
                if "values" in self.modes and self.run is not None:
                    found.append((name, render.values_event(commit, self.head.id, self.run.history.shown())))
            elif name == "run" or MODE_OF.get(name, name) in self.modes:
                found.append((name, data))
        if commit.status in TERMINAL and commit.status != before:
            found.append(("end", {"run_id": self.head.id, "status": commit.status}))
        return found

    async def _status_before(self, row: CommitRow) -> str:
        if self.before is not None or row.seq == 1:
            return self.before or ""
        rows = await self.store.commits(self.head.key, row.seq - 1, row.seq - 1)
        return rows[0].status if rows else RunStatus.RUNNING

    async def _follow(self, commit: Commit) -> None:
        """Keep the run as it was after each commit, for those who want to see its state."""
        if "values" not in self.modes:
            return
        if self.run is None or commit.kind is Kind.FORK:
            self.run = await self.reader.loader.at(self.head, commit.seq)
        elif commit.seq > self.run.seq:
            self.run.take(commit)


def _merged(rows: list[CommitRow], events: list[EventRow], last: int) -> list[tuple[CommitRow | None, EventRow | None]]:
    """Commits and events in one order: an event follows the commit that was the newest when it happened."""
    found: list[tuple[CommitRow | None, EventRow | None]] = []
    waiting = deque(event for event in events if event.seq <= last)
    for row in rows:
        while waiting and waiting[0].seq < row.seq:
            found.append((None, waiting.popleft()))
        found.append((row, None))
    return [*found, *((None, event) for event in waiting)]
