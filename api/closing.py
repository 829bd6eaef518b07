"""The end of a server, as waiting requests see it: they stop to wait when it is to close."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from anyio import CancelScope

T = TypeVar("T")


async def before(closing: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` gives, or None when the server closes first. `work` is ended then, as it is on cancellation."""
    task, end = asyncio.ensure_future(work), asyncio.ensure_future(closing.wait())
    try:
        await asyncio.wait((task, end), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        end.cancel()
        if not task.done():
            task.cancel()
            with CancelScope(shield=True):
                await asyncio.wait((task,))
