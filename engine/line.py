"""Lines: who waits goes in the order of their places, and nobody waits for ever behind those of higher priority."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

HEAD_START_MS = 60_000
"""So much earlier than it came does something stand in a line for each step of its priority."""

Order = tuple[int, int]
"""A place in a line: the time from which on somebody stands in it, and a number that tells those apart who came at the
same time."""


def order_of(priority: int, since: int, number: int) -> Order:
    """The place of something that has waited since a time (milliseconds since the epoch).

    Higher priority goes first, and of equals who came first. A step of priority is a head start, and no more: whatever
    comes later than that goes behind, so that nobody starves. As everybody grows older at the same pace, places never
    change.
    """
    return since - priority * HEAD_START_MS, number


class Waiting(Protocol):
    """What can stand in a line; `order` is unique."""

    @property
    def order(self) -> Order: ...


W = TypeVar("W", bound=Waiting)


class Line(Generic[W]):
    """A heap. Who leaves it before their turn is struck out at once and swept out when half of it is struck out."""

    def __init__(self) -> None:
        self._heap: list[Order] = []
        self._in: dict[Order, W] = {}

    def __len__(self) -> int:
        return len(self._in)

    def __iter__(self) -> Iterator[W]:
        """Everyone in the line, in order."""
        return (self._in[order] for order in sorted(self._in))

    def add(self, waiting: W) -> None:
        self._in[waiting.order] = waiting
        heappush(self._heap, waiting.order)

    def head(self) -> Order:
        """The place of the first in the line. Raises IndexError when nobody is in it."""
        while self._heap[0] not in self._in:
            heappop(self._heap)
        return self._heap[0]

    @property
    def first(self) -> W:
        """The first in the line. Raises IndexError when nobody is in it."""
        return self._in[self.head()]

    def take(self) -> W:
        """Take the first out of the line. Raises IndexError when nobody is in it."""
        found = self._in.pop(self.head())
        heappop(self._heap)
        return found

    def holds(self, waiting: W) -> bool:
        """Whether somebody is in the line still."""
        return waiting.order in self._in

    def discard(self, waiting: W) -> None:
        self._in.pop(waiting.order, None)
        if len(self._heap) > 2 * len(self._in) + 16:
            self._heap = list(self._in)
            heapify(self._heap)
