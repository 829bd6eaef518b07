"""How tasks come to a worker: one module for each transport, found by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from clew.worker.shift import Shift

NAMES = ("webhook", "pull", "websocket", "redis_stream", "mqtt")


class Transport(Protocol):
    """Brings tasks to a worker, and its answers back."""

    async def serve(self, shift: Shift) -> None:
        """Take tasks until `shift.closing` is set, then no more; give back what is answered, until it is drained."""
