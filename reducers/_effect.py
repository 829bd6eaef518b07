"""What an update does to one place inside the value that it joins: how a reducer answers who wrote something.

A reducer may have a function `effect(current, update, path)`. `current` is the value before the update (None: absent),
`path` leads to a place inside the value after it: keys of objects, indexes of arrays; empty, it is the value itself.
Where places move, `stable(value, path)` gives a path that goes on naming the place, and `located(value, path)` is its
inverse in a later or earlier value.
"""

from __future__ import annotations

from enum import StrEnum

Path = tuple[str | int, ...]


class Effect(StrEnum):
    """What an update does to what stands at a place."""

    REPLACES = "replaces"
    """Nothing of what was there before is left."""
    ADDS = "adds"
    """It joins what was there."""
    NONE = "none"
    """It changes nothing there."""
