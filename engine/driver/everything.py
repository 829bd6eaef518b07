"""The stream of all runs: their logs in the order in which they were written, which is also that of each run."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

from engine.driver.log import FOLLOWED, Position, States, StreamEvent
from engine.driver.reader import Reader
from engine.driver.watched import ALL
from engine.errors import Invalid
from engine.matching import run_matches
from engine.model import Commit, RunHead, RunStatus
from engine.ports import LoggedCommit, LoggedEvent, RunFilter
from engine.record import decode
from engine.telling import Part, is_told, parts_between, parts_of
from engine.values import dataclass, replace

IDLE_S = 30.0
PAGE = 100
PREFIX = "all-"
"""Begins the event ids of this stream, which mean nothing to that of one run."""

Row = LoggedCommit | LoggedEvent


@dataclass(frozen=True, slots=True)
class _Told:
    """A row with the run that it is of, in parts; `at` is the place behind it."""

    head: RunHead
    parts: list[Part]
    at: Position
    commit: Commit | None = None

    def place_of(self, part: Part) -> Position:
        if self.commit is not None:
            return replace(self.at, part=part.number)
        return self.at if part is self.parts[-1] else replace(self.at, piece=part.number)


class Everything:
    """Makes streams of all runs. A place in the log is that of the last commit and that of the last event told."""

    def __init__(self, reader: Reader) -> None:
        self.reader, self.store, self.loop = reader, reader.store, reader.loop

    async def place(self, after: str | None, *, from_now: bool) -> Position:
        """Where a stream begins. Raises Invalid for an event id that this stream never gave out."""
        if after is not None:
            if not after.startswith(PREFIX):
                raise Invalid("the event id is none that a stream of all runs gave out", "stream.event_id")
            return Position.parse(after.removeprefix(PREFIX))
        return Position(*await self.store.log_end()) if from_now else Position()

    async def stream(
        self, where: RunFilter, *, modes: frozenset[str], at: Position
    ) -> AsyncIterator[list[StreamEvent]]:
        """What happens in these modes, in the runs that match, from a place on. It has no end."""
        states: OrderedDict[int, States] = OrderedDict()
        while True:
            changes = self.loop.changes(ALL)
            page = await self._page(at)
            if not page:
                await self.loop.next_change(ALL, changes, IDLE_S)
                continue
            found: list[StreamEvent] = []
            for told in await self._tell(page, at):
                if run_matches(told.head, where):
                    found += [await self._event(told, part, states) for part in told.parts if is_told(part.name, modes)]
            at = behind(page, at)
            if found:
                yield found

    async def _page(self, at: Position) -> list[Row]:
        """Commits are read first: an event that comes meanwhile waits for the commit that it follows."""
        commits = await self.store.log_commits(at.seq - bool(at.part), PAGE)
        events = await self.store.log_events(at.n - bool(at.piece), PAGE)
        return list(in_order(commits, events, at))

    async def _tell(self, page: list[Row], at: Position) -> list[_Told]:
        heads: dict[int, RunHead | None] = {}
        found = []
        for row in page:
            key = row.row.run_key
            if key not in heads:
                heads[key] = await self.store.run_by_key(key)
            if (head := heads[key]) is not None:
                found.append(_told(row, head, at))
            at = behind([row], at)
        return found

    async def _event(self, told: _Told, part: Part, states: OrderedDict[int, States]) -> StreamEvent:
        data: dict[str, Any] = {**part.data, "run_id": told.head.id, "workflow_id": told.head.workflow_id}
        if part.name == "values" and told.commit is not None:
            key = told.head.key
            kept = states.setdefault(key, States(self.reader, told.head))
            states.move_to_end(key)
            if len(states) > FOLLOWED:
                states.popitem(last=False)
            data["state"] = await kept.after(told.commit)
        return StreamEvent(f"{PREFIX}{told.place_of(part)}", part.name, data)


def in_order(commits: list[LoggedCommit], events: list[LoggedEvent], at: Position) -> Iterator[Row]:
    """One order of both, as far as it is known: what was begun first, then an event as soon as the commit that it
    follows was told, else the next commit."""
    first, then, told, full = deque(commits), deque(events), at.seq, len(events) == PAGE
    if at.part and first and first[0].place == at.seq:
        yield first.popleft()
    if at.piece and then and then[0].place == at.n:
        yield then.popleft()
    while True:
        if then and then[0].follows <= told:
            yield then.popleft()
        elif first and (then or not full):
            told = first[0].place
            yield first.popleft()
        else:
            return


def behind(page: list[Row], at: Position) -> Position:
    """The place behind some rows."""
    for row in page:
        at = Position(row.place, at.n) if isinstance(row, LoggedCommit) else Position(at.seq, row.place)
    return at


def _told(row: Row, head: RunHead, at: Position) -> _Told:
    """A row in words; of one that was told in part, only the rest."""
    skip = at.part if isinstance(row, LoggedCommit) and row.place == at.seq else 0
    skip = at.piece if isinstance(row, LoggedEvent) and row.place == at.n else skip
    end = behind([row], at)
    if isinstance(row, LoggedCommit):
        commit = decode(row.row)
        parts = parts_of(commit, row.before or "", head.id)
        seen = replace(head, status=RunStatus(row.row.status))
        return _Told(seen, [part for part in parts if part.number > skip], end, commit)
    status = row.row.body["status"] if row.row.kind == "run" else row.status
    seen = head if status is None else replace(head, status=RunStatus(status))
    return _Told(seen, [part for part in parts_between(row.row, head.id) if part.number > skip], end)
