"""The default reducer: an update replaces the value."""

from __future__ import annotations

from typing import Any

from reducers._effect import Effect, Path

TYPES: frozenset[str] | None = None
REPLACES = True


def reduce(current: Any, update: Any) -> Any:
    """The update."""
    return update


def effect(current: Any, update: Any, path: Path) -> Effect:
    """An update replaces everything."""
    return Effect.REPLACES
