"""Collects a list: a value is pushed, an array is concatenated by one level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit
from reducers._overwrite import MARK

EMPTY: list[Any] = []
TYPES: frozenset[str] | None = frozenset({"array"})
COLLECTS = True


def reduce(current: Any, update: Any) -> Any:
    """A new list: the current one, then the update. Raises UpdateError where the current value is no list."""
    made = Fold(current)
    made.add(update)
    return made.value


class Fold:
    """A list of its own that grows. Raises UpdateError where the current value is no list."""

    __slots__ = ("value",)

    def __init__(self, current: Any) -> None:
        if current is not None and not isinstance(current, list):
            raise misfit("current value", "an array", current)
        self.value: list[Any] = list(current or ())

    def add(self, update: Any) -> None:
        if isinstance(update, list):
            self.value += update
        else:
            self.value.append(update)

    def extend(self, updates: Sequence[Any], start: int) -> int:
        """Take updates from `start` on as `add` does, up to one that may be an overwrite."""
        value = self.value
        for at in range(start, len(updates)):
            update = updates[at]
            kind = update.__class__
            if kind is dict and MARK in update:
                return at
            if kind is list:
                value += update
            else:
                value.append(update)
        return len(updates)


def effect(current: Any, update: Any, path: Path) -> Effect:
    """An update adds to the list, and is all that there is of its own items."""
    added = len(update) if isinstance(update, list) else 1
    if not path:
        return Effect.ADDS if added else Effect.NONE
    before = len(current or EMPTY)
    return Effect.REPLACES if isinstance(path[0], int) and before <= path[0] < before + added else Effect.NONE
