"""Workers that are not registered: they ask for tasks, and are known as long as they do so now and then."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dispatch._rate import Later, Timer
from engine.ports import WorkerRow

FORGET_S = 60.0
"""A visitor that has not asked for so long is forgotten."""
MAX_ROOM = 100_000


def visitor(tags: tuple[str, ...], protocol: str) -> WorkerRow:
    """The worker that everybody is who asks for tasks with these tags. No registered worker has such an id."""
    tags = tuple(sorted(set(tags)))
    return WorkerRow(id=f"{protocol} [{', '.join(tags)}]", protocol=protocol, tags=tags, max_concurrent=MAX_ROOM)


class Visitors:
    """`changed` is called when one has come or was forgotten."""

    def __init__(self, later: Later, changed: Callable[[], None]) -> None:
        self._later, self._changed = later, changed
        self._rows: dict[str, WorkerRow] = {}
        self._timers: dict[str, Timer] = {}
        self._closed = False

    @property
    def rows(self) -> Mapping[str, WorkerRow]:
        """Those that are known, by id."""
        return self._rows

    def came(self, row: WorkerRow) -> None:
        """One asks for tasks."""
        if (timer := self._timers.pop(row.id, None)) is not None:
            timer.cancel()
        if not self._closed:
            self._timers[row.id] = self._later(FORGET_S, lambda: self._forget(row.id))
        if row.id not in self._rows:
            self._rows[row.id] = row
            self._changed()

    def close(self) -> None:
        """Forget none any more."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()

    def _forget(self, worker_id: str) -> None:
        del self._timers[worker_id], self._rows[worker_id]
        self._changed()
