"""JSON as the store keeps it: text columns, written and read by the one codec."""

from __future__ import annotations

from typing import Any

from engine.codec import read, write


def to_text(value: Any) -> str:
    """The JSON text of a value, as it stands in a column."""
    return write(value).decode()


def from_text(text: str) -> Any:
    """The value of a column's JSON text."""
    return read(text)
