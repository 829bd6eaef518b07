"""The log of all runs in memory: what was written, in order."""

from __future__ import annotations

from itertools import islice

from engine.ports import CommitRow, EventRow, LoggedCommit, LoggedEvent


class MemoryLog:
    """Rows by their places, which count from 1 and stay empty when a run is deleted."""

    def __init__(self) -> None:
        self._commits: dict[int, CommitRow] = {}
        self._events: dict[int, EventRow] = {}
        self._places: dict[tuple[int, int], int] = {}
        self.end = (0, 0)

    def add_commit(self, row: CommitRow) -> None:
        commit, event = self.end
        self.end = (commit + 1, event)
        self._commits[commit + 1] = row if row.snapshot is None else row._replace(snapshot=None)
        self._places[row.run_key, row.seq] = commit + 1

    def add_event(self, row: EventRow) -> None:
        commit, event = self.end
        self.end = (commit, event + 1)
        self._events[event + 1] = row

    def forget(self, run_key: int) -> None:
        """A run is deleted."""
        self._commits = {place: row for place, row in self._commits.items() if row.run_key != run_key}
        self._events = {place: row for place, row in self._events.items() if row.run_key != run_key}
        self._places = {of: place for of, place in self._places.items() if of[0] != run_key}

    def commits_after(self, after: int, limit: int) -> list[LoggedCommit]:
        found = ((place, self._commits.get(place)) for place in range(after + 1, self.end[0] + 1))
        return [
            LoggedCommit(place=place, row=row, before=self._status(row.run_key, row.seq - 1)[1])
            for place, row in islice(((place, row) for place, row in found if row is not None), limit)
        ]

    def events_after(self, after: int, limit: int) -> list[LoggedEvent]:
        found = ((place, self._events.get(place)) for place in range(after + 1, self.end[1] + 1))
        logged = []
        for place, row in islice(((place, row) for place, row in found if row is not None), limit):
            follows, status = self._status(row.run_key, row.seq)
            logged.append(LoggedEvent(place=place, row=row, follows=follows, status=status))
        return logged

    def _status(self, run_key: int, seq: int) -> tuple[int, str | None]:
        place = self._places.get((run_key, seq), 0)
        return place, self._commits[place].status if place else None
