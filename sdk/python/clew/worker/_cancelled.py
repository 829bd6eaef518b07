"""Cancels that libraries lose on the way."""

from __future__ import annotations

import asyncio


def heed_cancel() -> None:
    """Raise CancelledError where this task is to end. A cancel that comes together with what a task waits for is
    forgotten by `asyncio.wait_for` before Python 3.12 (CPython issue 86296), and by reads of Redis."""
    if (task := asyncio.current_task()) is not None and task.cancelling():
        raise asyncio.CancelledError
