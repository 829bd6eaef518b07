"""The update that sets a value and skips the reducer: `{"__overwrite": true, "value": v}`."""

from __future__ import annotations

from typing import Any

MARK = "__overwrite"


def is_overwrite(update: Any) -> bool:
    """Whether an update is exactly `{"__overwrite": true, "value": v}`."""
    return isinstance(update, dict) and len(update) == 2 and update.get(MARK) is True and "value" in update
