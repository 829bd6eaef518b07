"""Waiting between tries: longer each time, never all at once, and not for ever."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import monotonic

FIRST_S, LONGEST_S = 0.1, 5.0


class Backoff:
    """The waits of one call that is tried again for `patience_s` seconds at most.

    Half of each wait is left to chance, so that many clients do not come back at the same moment.
    """

    def __init__(
        self, patience_s: float, clock: Callable[[], float] = monotonic, *, longest_s: float = LONGEST_S
    ) -> None:
        self._longest_s = longest_s
        self._clock = clock
        self._patience_s = patience_s
        self.begin()

    def begin(self) -> None:
        """Be as patient as at first: something has worked."""
        self._since: float | None = None
        self._next_s = FIRST_S

    def next_s(self, asked_s: float | None = None) -> float | None:
        """Seconds until the next try, no fewer than `asked_s`; None where it would come too late."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        wait_s = max(self._next_s * random.uniform(0.5, 1.0), asked_s or 0.0)
        self._next_s = min(self._next_s * 2, self._longest_s)
        return None if now + wait_s - self._since > self._patience_s else wait_s

    async def wait(self, asked_s: float | None = None) -> bool:
        """Wait for the next try; False at once where there is none."""
        wait_s = self.next_s(asked_s)
        if wait_s is None:
            return False
        await asyncio.sleep(wait_s)
        return True
