"""A thread for calls that wait for the disk, which a busy event loop does not starve.

A thread that wants the interpreter's lock back waits for the loop to hold it for a whole switch interval. A loop that
gives it up for an instant at each turn, as every loop with sockets does, makes it wait anew each time: for hundreds of
milliseconds, at any interval (docs/adr/0003-committing.md has figures). So the loop stands aside for as long as such a
call usually takes, and goes on beside one that takes longer, standing aside for a moment now and then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 0.002
"""The loop stands aside for so long at most."""
HASTY_CALLS = 8
"""After a call that took longer, as many are not waited for: where the disk is slow, patience is only lost time."""
GLIMPSE_S = 0.0001
"""For so long the loop stands aside when it looks whether a long call has ended."""
LOOK_EVERY_S = 0.001


class Handover:
    """One thread, one call at a time."""

    def __init__(self, name: str) -> None:
        self._call: Callable[[], Any] | None = None
        self._outcome: Future[Any] = Future()
        self._begun, self._ended = threading.Semaphore(0), threading.Semaphore(0)
        self._hasty = 0
        # A daemon: an interpreter that ends without closing its store does not wait for it.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T], meanwhile: Callable[[], None] | None = None) -> T:
        """What `call` gives; `meanwhile`, which raises nothing, is called beside it. Cancelled meanwhile, it waits for
        the end of the call and is cancelled then."""
        outcome: Future[T] = Future()
        self._outcome = outcome
        self._call = call
        self._begun.release()
        if meanwhile is not None:
            meanwhile()
        if self._ended.acquire(timeout=GLIMPSE_S if self._hasty else PATIENCE_S):
            self._hasty = 0
        else:
            self._hasty = self._hasty - 1 if self._hasty else HASTY_CALLS
            await self._look()
        return outcome.result()

    def stop(self) -> None:
        """End the thread; no call may be under way."""
        self._call = None
        self._begun.release()

    async def _look(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.acquire(timeout=GLIMPSE_S):
            try:
                await asyncio.sleep(LOOK_EVERY_S)
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _work(self) -> None:
        while self._begun.acquire() and (call := self._call) is not None:
            try:
                self._outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised again by `run`
                self._outcome.set_exception(error)
            self._ended.release()
