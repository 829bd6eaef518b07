"""What a reducer raises where an update does not fit the value it is meant for."""

from __future__ import annotations

from typing import Any

EXCERPT = 60


class UpdateError(ValueError):
    """An update that its reducer cannot apply; the message says what was expected and what came."""


def misfit(what: str, expected: str, got: Any) -> UpdateError:
    """The error for a value of the wrong kind: `what` names its part in the update."""
    return UpdateError(f"{what}: expected {expected}, got {described(got)}")


def described(value: Any) -> str:
    """A value's JSON type and the beginning of it, for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{'integer' if isinstance(value, int) else 'number'} {value!r:.{EXCERPT}}"
    if isinstance(value, str):
        return f"string {value[:EXCERPT]!r}{'…' if len(value) > EXCERPT else ''}"
    if isinstance(value, list):
        return f"array of {len(value)}"
    if isinstance(value, dict):
        return f"object with {len(value)} keys"
    return type(value).__name__
