"""Artifacts go that have expired and that no run refers to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from engine.artifacts import Artifacts
from engine.errors import EngineError
from watcher._beside import beside

log = structlog.get_logger(__name__)


async def follow(store: Artifacts, clock: Callable[[], int], every_s: float) -> None:
    """Collect now and then, for ever. `clock` gives milliseconds since the epoch."""
    while True:
        try:
            if gone := await store.collect_artifacts(clock()):
                log.info("artifacts.collected", count=gone)
        except EngineError as error:
            log.error("artifacts.failed", code=error.code, error=error.message)
        except Exception:  # the root of all collecting: the next time may get on
            log.exception("artifacts.failed")
        await asyncio.sleep(every_s)


@asynccontextmanager
async def collected(store: Artifacts, clock: Callable[[], int], every_s: float) -> AsyncIterator[None]:
    """While this lasts, what nobody needs is deleted."""
    async with beside(follow(store, clock, every_s)):
        yield
