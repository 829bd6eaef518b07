"""Who is being answered: while anybody is, the planner takes short turns, as each step of an answer waits for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Guests:
    """Counts the calls that are being answered."""

    def __init__(self) -> None:
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def come(self) -> None:
        self.count += 1

    def go(self) -> None:
        self.count -= 1

    @contextmanager
    def away(self) -> Iterator[None]:
        """A call waits for something that may take long."""
        self.go()
        try:
            yield
        finally:
            self.come()
