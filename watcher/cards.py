"""The cards of agents change, and some cannot be had when their workers are registered: they are asked for again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from engine.errors import EngineError
from watcher._beside import beside

EVERY_S = 60.0
"""So often cards are asked for that could not be had."""
ALL_EVERY = 15
"""Every so many times all of them are."""

log = structlog.get_logger(__name__)

Renew = Callable[[bool], Awaitable[None]]
"""Asks for the cards that could not be had, or for all."""


async def follow(renew: Renew, every_s: float = EVERY_S) -> None:
    """Ask now and then, for ever."""
    count = 0
    while True:
        await asyncio.sleep(every_s)
        count += 1
        try:
            await renew(count % ALL_EVERY == 0)
        except EngineError as error:
            log.error("cards.failed", code=error.code, error=error.message)
        except Exception:  # the root of all rounds: the next one may get on
            log.exception("cards.failed")


@asynccontextmanager
async def renewed(renew: Renew, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """While this lasts, cards are asked for again."""
    async with beside(follow(renew, every_s)):
        yield
