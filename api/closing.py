"""The end of a server, as waiting requests see it: they stop to wait when it is to close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
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


class Closing(asyncio.Event):
    """Set when the server is to end. `cut` makes no task: hundreds of streams wait by it, again for each event."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()

    def set(self) -> None:
        super().set()
        self._cut |= self._waiting
        for task in self._waiting:
            task.cancel()

    async def cut(self, work: Awaitable[T]) -> T | None:
        """What `work` gives, or None when the server closes first, which cancels it."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._cut or task.uncancel() > 0:
                raise
            return None
        finally:
            self._waiting.discard(task)
            self._cut.discard(task)
