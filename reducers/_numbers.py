"""What the reducers of numbers share: a boolean is no number, and null stands for an absent value only."""

from __future__ import annotations

from typing import Any

from reducers._errors import misfit

NUMBERS = frozenset({"integer", "number"})


def number(what: str, value: Any) -> int | float:
    """The value itself where it is a JSON number. Raises UpdateError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise misfit(what, "a number", value)
    return value
