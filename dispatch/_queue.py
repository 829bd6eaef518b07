"""The line of tasks that wait for a worker with the same need."""

from __future__ import annotations

from typing import TypeVar

from dispatch._choose import Reason
from engine import line
from engine.limits import LimitReason
from engine.line import Order, Waiting

__all__ = ["Line", "Order"]

W = TypeVar("W", bound=Waiting)


class Line(line.Line[W]):
    """Those who wait, and what they were told that they wait for."""

    def __init__(self, reason: Reason | LimitReason) -> None:
        super().__init__()
        self.reason = reason
