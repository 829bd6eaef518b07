"""Notes of runs, which wait for nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.driver.turn import Live, Turn


class NoNotes:
    """Stands for `engine.driver.notes.Notes`: each note has a turn of its own, by `act`."""

    def __init__(self, act: Callable[[Callable[[Turn, Live], Any]], None]) -> None:
        self._act = act

    def add(self, live: Live, note: Callable[[Turn], None]) -> None:
        self._act(lambda turn, found: note(turn))
