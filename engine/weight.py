"""Weight: what nodes put together themselves must stay small enough to be written.

What workers answer, templates make and expressions give is bounded where it comes from. A subgraph and a send write
what others have written: a loop that appends a list to itself by way of a subgraph has twice as much at every turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.errors import NodeFailure

MOST = 32 * 1024 * 1024
"""A node writes no more to the state at once, in bytes of JSON, as far as they can be told without writing it."""


def require_light(node: str, updates: Iterable[tuple[str, Any]]) -> None:
    """Raise NodeFailure where the updates of a node are too large."""
    left = MOST
    for name, update in updates:
        left -= weight(update, left)
        if left < 0:
            message = f"what '{node}' writes to the state is larger than {MOST} bytes; it was at key '{name}'"
            raise NodeFailure("state.too_large", message, details={"key": name})


def weight(value: Any, most: int) -> int:
    """Bytes of JSON that a value takes at least; it is looked at no further once these are more than `most`."""
    found, todo = 0, [value]
    while todo and found <= most:
        match todo.pop():
            case str() as text:
                found += len(text) + 2
            case dict() as fields:
                found += sum(map(len, fields)) + 4 * len(fields) + 1
                todo += fields.values()
            case list() as items:
                found += len(items) + 1
                todo += items
            case _:
                found += 1
    return found
