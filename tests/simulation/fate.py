"""What becomes of the turns of a simulated run, and what must never come of them."""

from __future__ import annotations

from dataclasses import dataclass

MANY = 1_000_000


class Violation(AssertionError):
    """Something that must never happen did."""


@dataclass(slots=True)
class Fate:
    """What becomes of the next turns: how many steps each plans, and whether they are written; and whether notes wait
    for the next one of their run."""

    steps: int = MANY
    lost: bool = False
    keeps: bool = False
