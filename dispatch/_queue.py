"""The line of tasks that wait for a worker with the same need: highest priority first, then first come first served."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

from dispatch._choose import Reason

Order = tuple[int, int]
"""(-priority, number of the submission)"""


class Waiting(Protocol):
    """What can stand in a line; `order` is unique."""

    @property
    def order(self) -> Order: ...


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """A heap. Who leaves it before their turn is struck out at once and swept out when half of it is struck out."""

    def __init__(self, reason: Reason) -> None:
        self._heap: list[tuple[Order, W]] = []
        self._in: set[Order] = set()
        self.reason = reason
        """What those in the line were told that they wait for."""

    def __len__(self) -> int:
        return len(self._in)

    def __iter__(self) -> Iterator[W]:
        """Everyone in the line, in order."""
        return (waiting for order, waiting in sorted(self._heap, key=lambda entry: entry[0]) if order in self._in)

    def add(self, waiting: W) -> None:
        self._in.add(waiting.order)
        heappush(self._heap, (waiting.order, waiting))

    def head(self) -> Order:
        """The place of the first in the line. Raises IndexError when nobody is in it."""
        while self._heap[0][0] not in self._in:
            heappop(self._heap)
        return self._heap[0][0]

    def take(self) -> W:
        """Take the first out of the line. Raises IndexError when nobody is in it."""
        order = self.head()
        self._in.remove(order)
        return heappop(self._heap)[1]

    def discard(self, waiting: W) -> None:
        self._in.discard(waiting.order)
        if len(self._heap) > 2 * len(self._in) + 16:
            self._heap = [entry for entry in self._heap if entry[0] in self._in]
            heapify(self._heap)
