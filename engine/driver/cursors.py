"""Cursors that are made of numbers: where the next page of a list begins."""

from __future__ import annotations

from engine.errors import Invalid

MOST_DIGITS = 12


def numbers_in(cursor: str, count: int) -> tuple[int, ...]:
    """The numbers of a cursor, with dots between them. Raises Invalid for one that is none."""
    parts = cursor.split(".")
    if len(parts) != count or not all(part.isascii() and part.isdigit() and len(part) <= MOST_DIGITS for part in parts):
        raise no_cursor()
    return tuple(map(int, parts))


def no_cursor() -> Invalid:
    """What is said of a cursor that no list has given."""
    return Invalid("the cursor is none that this list gave out", "cursor.invalid")
