"""Work that goes on beside a server for as long as the server lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """While this lasts, `work` goes on; it is cancelled at the end. What is raised inside comes out as it is: a
    TaskGroup would wrap it, and who asks a server in its own process would not know it again."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_told)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


def _told(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("watcher.failed", exc_info=error)
