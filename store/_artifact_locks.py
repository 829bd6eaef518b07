"""Locks by name: who brings the bytes of an artifact and who removes them take turns, others do not wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from weakref import WeakValueDictionary


class NameLocks:
    """A lock for each name that somebody holds or waits for."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def held(self, *names: str) -> AsyncIterator[None]:
        """Hold some names. They are taken in their order, so that nobody waits for each other."""
        async with AsyncExitStack() as held:
            for lock in self._of(sorted(set(names))):
                await held.enter_async_context(lock)
            yield

    def _of(self, names: Iterable[str]) -> list[asyncio.Lock]:
        return [self._locks.setdefault(name, asyncio.Lock()) for name in names]
