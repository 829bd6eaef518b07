"""A thread for calls that wait for the disk, which a busy event loop does not starve.

A thread that wants the interpreter's lock back waits for the loop to hold it for a whole switch interval. A loop that
gives it up for an instant at each turn, as every loop with sockets does, makes it wait anew each time: for hundreds of
milliseconds, at any interval (docs/adr/0003-committing.md has figures). So the loop stands aside until such a call is
under way, goes on for about as long as one takes, and then stands aside for its end.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar, cast

T = TypeVar("T")

PATIENCE_S = 0.002
"""For so long the loop looks whether a call has ended as often as it can; then every `LOOK_EVERY_S`."""
GLIMPSE_S = 0.0001
"""For so long the loop stands aside when it looks whether a call has ended."""
LOOK_EVERY_S = 0.001
IDLE_TURN_S = 0.00005
"""A turn of the loop that takes less had nothing to do."""


class Handover:
    """One thread, one call at a time."""

    def __init__(self, name: str) -> None:
        self._call: Callable[[], Any] | None = None
        self._outcome: Any = None
        self._error: BaseException | None = None
        self._begun, self._under_way, self._ended = threading.Lock(), threading.Lock(), threading.Lock()
        for lock in (self._begun, self._under_way, self._ended):
            lock.acquire()
        self._usual_s = 0.0
        # A daemon: an interpreter that ends without closing its store does not wait for it.
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, call: Callable[[], T], meanwhile: Callable[[], None] | None = None) -> T:
        """What `call` gives; `meanwhile`, which raises nothing, is called beside it. Cancelled meanwhile, it waits for
        the end of the call and is cancelled then."""
        begun = perf_counter()
        self._call = call
        self._begun.release()
        stood_aside = self._under_way.acquire(timeout=PATIENCE_S)
        if meanwhile is not None:
            meanwhile()
        cancelled = await self._ends(begun)
        if not stood_aside:
            self._under_way.acquire()
        error, outcome, self._error, self._outcome = self._error, self._outcome, None, None
        if cancelled is not None:
            raise cancelled
        if error is not None:
            raise error
        return cast("T", outcome)

    def stop(self) -> None:
        """End the thread; no call may be under way."""
        self._call = None
        self._begun.release()

    async def _ends(self, begun: float) -> asyncio.CancelledError | None:
        """Have others go on until the call has ended. Who has nothing to do stands aside at once, who has something
        only when the call may be over: half of what one takes usually has passed, which is seen late."""
        cancelled, due, patient = None, begun + min(self._usual_s / 2, PATIENCE_S), begun + PATIENCE_S
        now, ended = perf_counter(), False
        while not ended:
            at = now
            try:
                await asyncio.sleep(0 if at < patient else LOOK_EVERY_S)
            except asyncio.CancelledError as error:
                cancelled = error
            now = perf_counter()
            ended = (now >= due or now - at < IDLE_TURN_S) and self._ended.acquire(timeout=GLIMPSE_S)
            now = perf_counter()
        self._usual_s += (now - begun - self._usual_s) / 8
        return cancelled

    def _work(self) -> None:
        while self._begun.acquire() and (call := self._call) is not None:
            self._under_way.release()
            try:
                self._outcome = call()
            except BaseException as error:  # noqa: BLE001 - raised again by `run`
                self._error = error
            self._ended.release()
