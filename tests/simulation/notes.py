"""Notes of runs in the simulation: each has a turn of its own, or waits for the next turn of its run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.driver.turn import Live, Turn


class Notes:
    """Stands for `engine.driver.notes.Notes`: a note has a turn of its own, by `act`, unless it `waits`."""

    def __init__(self, act: Callable[[Callable[[Turn, Live], Any]], None], waits: Callable[[], bool]) -> None:
        self._act, self._waits = act, waits

    def add(self, live: Live, note: Callable[[Turn], None]) -> None:
        if self._waits():
            live.notes.append(note)
        else:
            self._act(lambda turn, found: note(turn))
