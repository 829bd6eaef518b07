"""Moments as people write them."""

from __future__ import annotations

from datetime import datetime


def milliseconds(moment: str) -> int:
    """A moment of RFC 3339 in milliseconds since the epoch. Raises ValueError."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
