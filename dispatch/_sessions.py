"""Which worker has served a session: it is preferred, for what it may have kept of it."""

from __future__ import annotations

from collections import OrderedDict

from dispatch._choose import Need
from engine.outbox import Work

MAX_KEPT = 10_000
"""So many are remembered, those longest that were served last."""


class Served:
    """Remembers, in memory alone, who served which session with which need."""

    def __init__(self) -> None:
        self._by: OrderedDict[tuple[str, Need], str] = OrderedDict()

    def note(self, work: Work, need: Need, worker_id: str) -> None:
        """A worker gets a task."""
        if work.session is None:
            return
        self._by[work.session, need] = worker_id
        self._by.move_to_end((work.session, need))
        if len(self._by) > MAX_KEPT:
            self._by.popitem(last=False)

    def who(self, work: Work, need: Need) -> str | None:
        """Who is preferred for a task: who had its earlier turns, or served its session."""
        if work.served_by is not None or work.session is None:
            return work.served_by
        return self._by.get((work.session, need))
