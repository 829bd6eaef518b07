"""Merges objects deeply: arrays and scalars replace, and null is a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reducers._effect import Effect, Path
from reducers._errors import misfit

EMPTY: dict[str, Any] = {}
TYPES: frozenset[str] | None = frozenset({"object"})


def reduce(current: Any, update: Any) -> Any:
    """A new object with the keys of both. Raises UpdateError where one of them is no object."""
    if current is None:
        current = EMPTY
    if not isinstance(current, dict):
        raise misfit("current value", "an object", current)
    if not isinstance(update, dict):
        raise misfit("update", "an object", update)
    return _merged(current, update)


def fold(current: Any, updates: Iterable[Any]) -> Any:
    """All updates in their order, with one copy of each object that changes. Raises UpdateError as `reduce`."""
    merged: dict[str, Any] = dict(reduce(current, EMPTY))
    own = {id(merged): merged}
    for update in updates:
        if not isinstance(update, dict):
            raise misfit("update", "an object", update)
        _merge_into(merged, update, own)
    return merged


def _merge_into(target: dict[str, Any], update: dict[str, Any], own: dict[int, dict[str, Any]]) -> None:
    """Merge into an object that is ours; `own` are all that are."""
    for key, value in update.items():
        before = target.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            if id(before) not in own:
                before = target[key] = dict(before)
                own[id(before)] = before
            _merge_into(before, value, own)
        else:
            target[key] = value


def _merged(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    merged = dict(current)
    for key, value in update.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            value = _merged(before, value)
        merged[key] = value
    return merged


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
