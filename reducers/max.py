"""Keeps the largest number; of equal ones the earlier."""

from __future__ import annotations

from typing import Any

from reducers._effect import Effect, Path
from reducers._numbers import NUMBERS, number

TYPES: frozenset[str] | None = NUMBERS


def reduce(current: Any, update: Any) -> Any:
    """The update where it is larger, or the first. Raises UpdateError for what is no number."""
    new = number("update", update)
    if current is None:
        return new
    return new if new > number("current value", current) else current


def effect(current: Any, update: Any, path: Path) -> Effect:
    """A number replaces the one before, or changes nothing."""
    return Effect.NONE if path or reduce(current, update) is current else Effect.REPLACES
