"""Pages of lists that are short enough to be held whole."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

from engine.errors import Invalid
from engine.ports import Page

T = TypeVar("T")


def page_of(items: Sequence[T], key: Callable[[T], str], limit: int, cursor: str | None) -> Page[T]:
    """A page of items in ascending order of their keys. Raises Invalid for a cursor that is none."""
    after = None if cursor is None else _read(cursor)
    rest = [item for item in items if after is None or key(item) > after]
    found = tuple(rest[:limit])
    return Page(items=found, next_cursor=_written(key(found[-1])) if len(rest) > limit else None)


def _written(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise Invalid("the cursor is none that this list has given", "cursor.invalid") from None
