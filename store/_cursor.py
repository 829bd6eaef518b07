"""Cursors of lists: the place of the last item, as opaque text."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import TypeVar

from engine.errors import Invalid
from engine.ports import Page
from store._json import from_text, to_text

T = TypeVar("T")
Place = tuple[int | str, ...]

_LARGEST = 2**63


def written(kind: str, place: Place) -> str:
    """The cursor of a place in the lists of this kind."""
    return urlsafe_b64encode(to_text([kind, *place]).encode()).decode().rstrip("=")


def read(kind: str, cursor: str | None, *types: type[int] | type[str]) -> Place | None:
    """The place that a cursor names. Raises Invalid for one that no list of this kind has given."""
    if cursor is None:
        return None
    try:
        parts = from_text(urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode())
    except (ValueError, binascii.Error):
        parts = None
    if not (isinstance(parts, list) and parts[:1] == [kind] and _fits(parts[1:], types)):
        raise Invalid("the cursor is none that this list has given", "cursor.invalid", cursor=cursor[:200])
    return tuple(parts[1:])


def _fits(parts: Sequence[object], types: Sequence[type[int] | type[str]]) -> bool:
    if [type(part) for part in parts] != list(types):
        return False
    return all(-_LARGEST <= part < _LARGEST for part in parts if isinstance(part, int))


def page(kind: str, found: Sequence[T], limit: int, place: Callable[[T], Place]) -> Page[T]:
    """A page of what was found when one more than `limit` was looked for."""
    items = tuple(found[:limit])
    return Page(items=items, next_cursor=written(kind, place(items[-1])) if items and len(found) > limit else None)
