"""The runs that are to be planned, those that somebody has asked something before the others."""

from __future__ import annotations

from collections import deque

from engine.driver.turn import Live


class Queue:
    """Each in the order in which it came. A run that goes on may be asked something meanwhile, and is in both then."""

    def __init__(self) -> None:
        self.asked: deque[Live] = deque()
        self.others: deque[Live] = deque()

    def __bool__(self) -> bool:
        return bool(self.asked or self.others)

    def add(self, live: Live) -> bool:
        """Whether it was not there."""
        if live.inbox:
            return self._add(live, self.asked, "asked")
        return self._add(live, self.others, "queued")

    @staticmethod
    def _add(live: Live, to: deque[Live], mark: str) -> bool:
        if getattr(live, mark):
            return False
        setattr(live, mark, True)
        to.append(live)
        return True

    def next_asked(self) -> Live:
        live = self.asked.popleft()
        live.asked = False
        return live

    def next_other(self) -> Live:
        live = self.others.popleft()
        live.queued = False
        return live
