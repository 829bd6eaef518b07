"""Notes: what is only noted of runs waits a little for what else comes of them, and shares its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.driver.turn import Live, Turn


class Notes:
    """Runs with notes that are not planned yet. `due` gets them once the first has waited `within_s` seconds; those
    that were planned meanwhile, for another reason, have none left."""

    def __init__(self, within_s: float, due: Callable[[list[Live]], None]) -> None:
        self._within_s, self._due = within_s, due
        self._noted: list[Live] = []
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        """Whether there may be any."""
        return bool(self._noted)

    def add(self, live: Live, note: Callable[[Turn], None]) -> None:
        """Have something noted of a run, behind what is to be done with it already."""
        if live.inbox:
            live.inbox.append(note)
            return
        if not live.notes:
            self._noted.append(live)
        live.notes.append(note)
        self.expect()

    def expect(self) -> None:
        """Have `due` called soon."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._within_s, self.hurry)

    def hurry(self) -> None:
        """Have all notes planned now."""
        self.close()
        noted, self._noted = self._noted, []
        self._due([live for live in noted if live.notes])

    def close(self) -> None:
        """Call `due` no more by itself. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
