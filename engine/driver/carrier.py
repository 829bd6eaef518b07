"""What the loop wants of who carries out what was planned."""

from __future__ import annotations

from typing import Protocol

from engine.commits import Step
from engine.driver.turn import Live, Turn
from engine.planner import Begun


class Carrier(Protocol):
    """Who carries out what was planned, once it is durable."""

    def take(self, turn: Turn, live: Live, planned: Step) -> None:
        """Take up a planned commit and arrange for what follows from it."""

    def begin(self, turn: Turn, live: Live, found: Begun) -> None:
        """Send a task to a worker, or have it wait for its time, once the turn is durable."""

    def go_on(self, turn: Turn, live: Live) -> None:
        """Take up the open work of a run that was read from the store."""

    def let_go(self, live: Live) -> None:
        """Forget the open work of a run that is dropped from memory."""

    @property
    def in_flight(self) -> int:
        """How many tasks workers hold, any of which may be answered next."""

    def hold(self, held: bool) -> None:
        """Send nothing more, or go on sending."""
