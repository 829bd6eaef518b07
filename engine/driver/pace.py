"""Long work on the event loop in pieces: others get their turn after so long, however much there is to do."""

from __future__ import annotations

import asyncio
from time import perf_counter

SLICE_S = 0.004
"""As long as a turn of the planner: who waits for the loop waits for one or the other."""


class Pace:
    """Counts the time since others had their turn."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since = perf_counter()

    async def rest(self) -> None:
        """Let others through where it is time."""
        if perf_counter() - self._since > SLICE_S:
            await asyncio.sleep(0)
            self._since = perf_counter()
