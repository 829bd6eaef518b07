"""Adds numbers: integers stay integers of 64 bits, and are never silently a float."""

from __future__ import annotations

import math
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import UpdateError
from reducers._numbers import NUMBERS, number

EMPTY = 0
TYPES: frozenset[str] | None = NUMBERS
LOWEST, HIGHEST = -(2**63), 2**63 - 1


def reduce(current: Any, update: Any) -> Any:
    """The sum. Raises UpdateError for what is no number, and for sums beyond 64 bits or the range of a double."""
    before = number("current value", 0 if current is None else current)
    added = number("update", update)
    total = before + added
    if isinstance(total, int):
        in_range = LOWEST <= total <= HIGHEST
    else:
        in_range = math.isfinite(total)
    if not in_range:
        expected = "a 64-bit integer" if isinstance(total, int) else "a finite number"
        raise UpdateError(f"sum: expected {expected}, got {before} + {added}, which is out of range")
    return total


def effect(current: Any, update: Any, path: Path) -> Effect:
    """Every number is a part of the sum."""
    return Effect.NONE if path else Effect.ADDS
