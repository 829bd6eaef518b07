"""JSON as the store keeps it: text columns, written and read by the one codec."""

from __future__ import annotations

from typing import Any

from engine.codec import dumps, loads

MAX_STORED_DEPTH = 512
"""What was accepted at the edge stands inside of something here, and so goes deeper than the edge allows."""


def to_text(value: Any) -> str:
    """The JSON text of a value, as it stands in a column."""
    return dumps(value).decode()


def from_text(text: str) -> Any:
    """The value of a column's JSON text."""
    return loads(text, max_depth=MAX_STORED_DEPTH)
