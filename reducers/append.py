"""Collects a list: a value is pushed, an array is concatenated by one level."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit

EMPTY: list[Any] = []
TYPES: frozenset[str] | None = frozenset({"array"})
COLLECTS = True


def reduce(current: Any, update: Any) -> Any:
    """A new list: the current one, then the update. Raises UpdateError where the current value is no list."""
    if current is None:
        current = EMPTY
    if not isinstance(current, list):
        raise misfit("current value", "an array", current)
    if isinstance(update, list):
        return [*current, *update]
    return [*current, update]


def fold(current: Any, updates: Iterable[Any]) -> Any:
    """All updates in their order, with one copy of the list. Raises UpdateError as `reduce`."""
    found: list[Any] = []
    for update in updates:
        if isinstance(update, list):
            found += update
        else:
            found.append(update)
    return reduce(current, found)


def effect(current: Any, update: Any, path: Path) -> Effect:
    """An update adds to the list, and is all that there is of its own items."""
    added = len(update) if isinstance(update, list) else 1
    if not path:
        return Effect.ADDS if added else Effect.NONE
    before = len(current or EMPTY)
    return Effect.REPLACES if isinstance(path[0], int) and before <= path[0] < before + added else Effect.NONE
