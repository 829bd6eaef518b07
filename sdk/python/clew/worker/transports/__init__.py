"""How tasks come to a worker: one module for each transport, found by its name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from clew.worker.shift import Shift

NAMES = ("webhook", "pull", "websocket", "redis_stream", "mqtt")


class Transport(Protocol):
    """Brings tasks to a worker, and its answers back."""

    async def serve(self, shift: Shift) -> None:
        """Take tasks until `shift.closing` is set, then no more; give back what is answered, until it is drained."""


def open_transport(name: str, **options: Any) -> Transport:
    """The transport of a name, with the options that it is to have. Only its module, and what that needs, is imported.

    Raises Unusable where something is missing.
    """
    from clew.worker.transports._options import Options, Unusable

    if name not in NAMES:
        raise Unusable(f"there is no transport '{name}'; there are {', '.join(NAMES)}")
    module: Any = import_module(f"{__name__}.{name}")
    found: Transport = module.open_transport(Options(**options))
    return found
