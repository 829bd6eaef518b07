"""What happens when the store takes no commit: work stops, and goes on by itself once there is room again."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from engine.errors import EngineError, StoreUnavailable
from engine.ports import Store

log = structlog.get_logger(__name__)


class Work(Protocol):
    """What is stopped, and goes on: the loop."""

    def stop_work(self, error: StoreUnavailable) -> None:
        """Plan nothing and send nothing more; whoever waits is told why."""

    def go_on_with_work(self) -> None:
        """Plan and send again."""

    async def revive(self, key: int) -> None:
        """Take up a run again that was dropped."""


class Recovery:
    """Keeps what is lost until it is read again. `fault` says why nothing can be committed now."""

    def __init__(self, store: Store, work: Work, retry_s: float) -> None:
        self.store, self.work, self.retry_s = store, work, retry_s
        self.fault: StoreUnavailable | None = None
        self._lost: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def require_store(self) -> None:
        """Raises StoreUnavailable while the store takes no commit."""
        if self.fault is not None:
            raise type(self.fault)(self.fault.message)

    def lost(self, keys: set[int], error: EngineError) -> None:
        """These runs were dropped, because a batch was not written."""
        self._lost |= keys
        if isinstance(error, StoreUnavailable):
            self.fault = error
            self.work.stop_work(error)
        if self._task is None:
            self._task = asyncio.create_task(self._recover())

    async def close(self) -> None:
        """Try no longer; idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _recover(self) -> None:
        """Nothing is sent before the store has taken something: a run that is read again would ask its workers again,
        and their answers could not be kept."""
        while self._lost or self.fault is not None:
            await asyncio.sleep(self.retry_s)
            if await self._is_well() and self.fault is not None:
                log.info("store.recovered")
                self.fault = None
                self.work.go_on_with_work()
        self._task = None

    async def _is_well(self) -> bool:
        """Whether the store takes something, and every run that was lost has been read again."""
        try:
            if self.fault is not None:
                await self.store.probe()
            while self._lost:
                key = min(self._lost)
                await self._revive(key)
                self._lost.discard(key)
        except StoreUnavailable as error:
            self.fault = error if self.fault is not None else None
            return False
        return True

    async def _revive(self, key: int) -> None:
        try:
            await self.work.revive(key)
        except StoreUnavailable:
            raise
        except Exception:  # the root of a run's revival: one that cannot be read must not keep the others down
            log.exception("run.revival_failed", run_key=key)
