"""What a delivery is about: whatever is logged within it names the run, the task and the node, without being told.

It holds for the asyncio task that a delivery is, and for those that are begun in it. What outlives a delivery, such as
the connection to a broker, does not ask: it belongs to no run.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

_names: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


def set_about(names: Mapping[str, str]) -> None:
    """Say what the asyncio task that runs now is about: the fields of each line of the log."""
    _names.set(names)


def about() -> Mapping[str, str]:
    """What this is about; nothing outside of a delivery."""
    return _names.get()
