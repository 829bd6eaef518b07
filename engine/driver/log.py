"""The log of a run in pages that all its readers share: a row is read, decoded and put into words once.

A log only grows, so that a page that was read once stays right. Whoever comes late goes through the same pages as who
was there from the beginning, and five hundred who listen to one run cost little more than one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import field
from typing import Any

from engine.driver.reader import Reader
from engine.errors import Invalid
from engine.model import JUMPS, Commit, Kind, RunHead, seq_of
from engine.ports import CommitRow, EventRow
from engine.record import decode
from engine.run import Run
from engine.telling import Part, parts_between, parts_of
from engine.values import dataclass

PAGE = 100
KEPT_BYTES = 4 * 1024 * 1024
"""The rows of the pages that are kept weigh so much at most."""
ROW_BYTES = 200
"""What a row weighs beside its body."""
LIVE = 8
"""A page with so few commits is most likely read by everybody at the same time: its states are kept with it."""
FOLLOWED = 64
"""So many runs are kept for the states of such pages."""
END_PART = 99_999_999_999


@dataclass(slots=True)
class StreamEvent:
    """One server-sent event; `id` is where a stream that was cut off goes on. `frame` is its text once somebody has
    made it."""

    id: str
    event: str
    data: dict[str, Any]
    frame: bytes | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a log: everything up to commit `seq` and up to event `n` was told.

    `part` says how much of that commit (0: all of it), `piece` how much of that event.
    """

    seq: int = 0
    n: int = 0
    part: int = 0
    piece: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}.{self.part}" + (f".{self.piece}" if self.piece else "")

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises Invalid for what no stream gave out."""
        parts = text.split(".")
        if len(parts) not in (3, 4) or not all(p.isascii() and p.isdigit() and len(p) < 12 for p in parts):
            raise Invalid("the event id is none that a stream gave out", "stream.event_id")
        return cls(*map(int, parts))

    @property
    def is_end(self) -> bool:
        """Whether this is the place of an `end`."""
        return self.part == END_PART


@dataclass(slots=True)
class Entry:
    """A row in words; the data of `values` has no state. `status` is the run's after it."""

    head: RunHead
    events: list[StreamEvent]
    status: str
    commit: Commit | None = None


@dataclass(slots=True)
class Page:
    """Some rows. `status` is that of the run when they were read, `changes` the number of its changes before that."""

    entries: list[Entry]
    end: Position
    status: str
    changes: int
    weight: int = 0
    with_states: bool = False
    filling: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_live(self) -> bool:
        return sum(entry.commit is not None for entry in self.entries) <= LIVE


class Pages:
    """Pages by who asks for them and where they begin, the last used kept; each is read by one reader at a time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, Position], Page] = OrderedDict()
        self._reading: dict[tuple[int, Position], asyncio.Event] = {}
        self._weight = 0

    async def find(self, key: int, at: Position, changes: int) -> Page | None:
        """A page that is there, once nobody is reading it; an empty one only where nothing has changed since."""
        while (reading := self._reading.get((key, at))) is not None:
            await reading.wait()
        page = self._kept.get((key, at))
        if page is None or (not page.entries and (not changes or page.changes != changes)):
            return None
        self._kept.move_to_end((key, at))
        return page

    def begin(self, key: int, at: Position) -> asyncio.Event:
        """Say that a page is being read; the event has to be set with `end`."""
        reading = self._reading[key, at] = asyncio.Event()
        return reading

    def end(self, key: int, at: Position, page: Page | None) -> None:
        """Keep what was read, and let those who wait for it go on."""
        self._reading.pop((key, at)).set()
        if page is None:
            return
        if (old := self._kept.pop((key, at), None)) is not None:
            self._weight -= old.weight
        self._kept[key, at] = page
        self._weight += page.weight
        while self._weight > KEPT_BYTES and len(self._kept) > 1:
            self._weight -= self._kept.popitem(last=False)[1].weight


class States:
    """The states of a run after commits that come in order."""

    def __init__(self, reader: Reader, head: RunHead) -> None:
        self.reader, self.head = reader, head
        self.run: Run | None = None

    async def after(self, commit: Commit) -> dict[str, Any]:
        """The state shown after a commit."""
        follows = self.run is not None and self.run.seq == commit.seq - 1
        if self.run is None or not follows or commit.kind in JUMPS or commit.kind is Kind.FORK:
            self.run = await self.reader.loader.at(self.head, commit.seq)
        else:
            await self.reader.loader.follow(self.run, commit)
        return self.run.history.shown()


class RunLogs:
    """The logs of runs."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store, self.loop = reader, reader.store, reader.loop
        self._pages = Pages()
        self._states: OrderedDict[int, States] = OrderedDict()

    async def page(self, head: RunHead, at: Position) -> Page | None:
        """The page behind a place, empty where nothing has come yet; None when the run is gone."""
        changes = self.loop.changes(head.key)
        if (kept := await self._pages.find(head.key, at, changes)) is not None:
            return kept
        self._pages.begin(head.key, at)
        page = None
        try:
            page = await self._read(head, at, changes)
        finally:
            self._pages.end(head.key, at, page)
        return page

    async def _read(self, head: RunHead, at: Position, changes: int) -> Page | None:
        newest = await self.store.run_by_key(head.key)
        if newest is None:
            return None
        again = bool(at.part) and not at.is_end
        first = at.seq if again else at.seq + 1
        last = min(seq_of(newest.head), first + PAGE - 1)
        rows = await self.store.commits(head.key, first - 1, last) if last >= first else []
        events = await self.store.events(head.key, at.n - 1 if at.piece else at.n, PAGE)
        if len(events) == PAGE:
            last = min(last, events[-1].seq)
            rows = [row for row in rows if row.seq <= last]
        return _page(head, rows, [event for event in events if event.seq <= last], at, newest.status, changes)

    async def fill(self, page: Page) -> None:
        """Have the states in the `values` of a page that many read."""
        async with page.filling:
            if page.with_states:
                return
            for entry in page.entries:
                for event in entry.events:
                    if event.event == "values" and entry.commit is not None:
                        event.data["state"] = await self._states_of(entry.head).after(entry.commit)
            page.with_states = True

    def _states_of(self, head: RunHead) -> States:
        if head.key not in self._states:
            self._states[head.key] = States(self.reader, head)
        self._states.move_to_end(head.key)
        while len(self._states) > FOLLOWED:
            self._states.popitem(last=False)
        return self._states[head.key]


def _page(
    head: RunHead, rows: list[CommitRow], events: list[EventRow], at: Position, status: str, changes: int
) -> Page:
    """Rows and events in one order: an event follows the commit that was the newest when it happened."""
    first = at.seq if at.part and not at.is_end else at.seq + 1
    last = max((row.seq for row in rows), default=at.seq)
    before = {row.seq: row.status for row in rows}
    page = Page([], Position(at.seq, at.n), status, changes)
    told, skip, waiting = status if not rows else before.get(first - 1, ""), at, deque(events)
    for row in (row for row in rows if row.seq >= first):
        while waiting and waiting[0].seq < row.seq:
            told = _add_event(page, head, waiting.popleft(), skip, told)
        told = _add_commit(page, head, row, skip, told)
        page.end = Position(row.seq, page.end.n)
    while waiting and waiting[0].seq <= last:
        told = _add_event(page, head, waiting.popleft(), skip, told)
    return page


def _add_commit(page: Page, head: RunHead, row: CommitRow, at: Position, before: str) -> str:
    commit = decode(row)
    skip = at.part if row.seq == at.seq else 0
    parts = parts_of(commit, before, head.id)
    told = [_event(part, Position(row.seq, page.end.n, part.number)) for part in parts if part.number > skip]
    page.entries.append(Entry(head, told, row.status, commit))
    page.weight += ROW_BYTES + len(row.body)
    return row.status


def _add_event(page: Page, head: RunHead, event: EventRow, at: Position, before: str) -> str:
    skip = at.piece if event.n == at.n else 0
    parts = parts_between(event, head.id)
    end = Position(max(page.end.seq, event.seq), event.n)
    told = [
        _event(part, Position(end.seq, event.n, 0, part.number if part is not parts[-1] else 0))
        for part in parts
        if part.number > skip
    ]
    page.end = end
    status = event.body["status"] if event.kind == "run" else before
    page.entries.append(Entry(head, told, status))
    page.weight += ROW_BYTES
    return status


def _event(part: Part, at: Position) -> StreamEvent:
    return StreamEvent(str(at), part.name, part.data)
