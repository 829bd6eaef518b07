"""The default reducer: an update replaces the value."""

from __future__ import annotations

from typing import Any

TYPES: frozenset[str] | None = None


def reduce(current: Any, update: Any) -> Any:
    """The update."""
    return update
