"""How many tasks are with workers, how many may be, and whether any may be sent now."""

from __future__ import annotations

from dataclasses import dataclass

from dispatch._choose import NoWorker, Reason
from engine.limits import LimitReason

MAX_DELIVERIES = 512
"""Deliveries under way at a time, each of which holds one connection: well below the usual limit of open files."""


@dataclass(slots=True)
class Bounds:
    """Counts deliveries (`under_way`) and tasks that workers hold (`in_flight`, those under way included)."""

    max_deliveries: int = MAX_DELIVERIES
    max_in_flight: int | None = None
    under_way: int = 0
    in_flight: int = 0
    held: bool = False
    """Whether nothing is sent for now."""
    closing: bool = False
    was_full: bool = False
    """Whether the end of any delivery is of interest to everybody in line."""

    def is_full(self) -> bool:
        """Whether no delivery may begin; that is remembered."""
        most = self.max_in_flight
        full = self.under_way >= self.max_deliveries or (most is not None and self.in_flight >= most)
        self.was_full = self.held or full
        return self.was_full

    def why(self) -> NoWorker:
        """Why none may begin."""
        few = self.max_in_flight is None or self.in_flight < self.max_in_flight
        reason = Reason.CAPACITY if few or self.held else LimitReason.MAX_IN_FLIGHT
        return NoWorker(reason=reason, detail=f"{self.in_flight} tasks are under way")
