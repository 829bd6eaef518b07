"""Merges objects deeply: arrays and scalars replace, and null is a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit
from reducers._overwrite import MARK

EMPTY: dict[str, Any] = {}
TYPES: frozenset[str] | None = frozenset({"object"})


def reduce(current: Any, update: Any) -> Any:
    """A new object with the keys of both. Raises UpdateError where one of them is no object."""
    made = Fold(current)
    made.add(update)
    return made.value


class Fold:
    """An object of its own that others are merged into; `_own` are the objects in it that are no others' either.
    Raises UpdateError where the current value is no object."""

    __slots__ = ("_own", "value")

    def __init__(self, current: Any) -> None:
        if current is not None and not isinstance(current, dict):
            raise misfit("current value", "an object", current)
        self.value: dict[str, Any] = dict(current or EMPTY)
        self._own: dict[int, dict[str, Any]] = {}

    def add(self, update: Any) -> None:
        """Raises UpdateError, and changes nothing, where the update is no object."""
        if not isinstance(update, dict):
            raise misfit("update", "an object", update)
        self._merge(self.value, update)

    def extend(self, updates: Sequence[Any], start: int) -> int:
        """Merge updates from `start` on, up to one that is no object or may be an overwrite."""
        for at in range(start, len(updates)):
            update = updates[at]
            if update.__class__ is not dict or MARK in update:
                return at
            self._merge(self.value, update)
        return len(updates)

    def _merge(self, target: dict[str, Any], update: dict[str, Any]) -> None:
        for key, value in update.items():
            before = target.get(key)
            if isinstance(before, dict) and isinstance(value, dict):
                if id(before) not in self._own:
                    before = target[key] = dict(before)
                    self._own[id(before)] = before
                self._merge(before, value)
            else:
                target[key] = value


def effect(current: Any, update: Any, path: Path) -> Effect:
    """An update has to do with the places that it names: it adds to objects, and replaces all else."""
    for part in path:
        if not isinstance(update, dict):
            return Effect.REPLACES
        if part not in update:
            return Effect.NONE
        update = update[part]
        current = current.get(part) if isinstance(current, dict) else None
    joins = isinstance(update, dict) and (isinstance(current, dict) or not path)
    return Effect.ADDS if joins else Effect.REPLACES
