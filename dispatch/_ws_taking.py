"""What workers send over sockets, on its way into the inbox: many at a time, in order for each task."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from dispatch._inbox import Inbox, Receipt
from dispatch._ws_frames import Feedback, Result
from engine.errors import StoreUnavailable

MAX_TAKING = 1024
"""So many are given to the inbox at a time: whoever sends more is not read meanwhile."""
FIRST_S, LONGEST_S = 0.05, 2.0
"""How long it is waited for a store that takes nothing, at first and at most."""

log = structlog.get_logger(__name__)


class Taking:
    """Gives answers and reports to the inbox; goes on trying while the store takes nothing."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._last: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._room.set()

    async def room(self) -> None:
        """Return when one more may be taken."""
        await self._room.wait()

    def take(self, worker_id: str, frame: Result | Feedback, done: Callable[[Receipt], None]) -> None:
        """Have a frame written down, after those of the same task that came before; `done` is called then."""
        before = self._last.get(frame.corr)
        task = asyncio.get_running_loop().create_task(self._take(worker_id, frame, before, done))
        self._last[frame.corr] = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(frame.corr, done))
        if len(self._tasks) >= MAX_TAKING:
            self._room.clear()

    async def _take(
        self,
        worker_id: str,
        frame: Result | Feedback,
        before: asyncio.Task[None] | None,
        done: Callable[[Receipt], None],
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait((before,))
        try:
            done(await self._given(worker_id, frame))
        except Exception:  # the root of this task: one frame that breaks us must not stop the others
            log.exception("websocket.broken", worker_id=worker_id, task_id=frame.corr.partition(".")[0])

    async def _given(self, worker_id: str, frame: Result | Feedback) -> Receipt:
        wait = FIRST_S
        while True:
            try:
                return await self._asked(frame)
            except StoreUnavailable as away:
                if wait == FIRST_S:
                    task_id = frame.corr.partition(".")[0]
                    log.warning("websocket.not_taken", worker_id=worker_id, task_id=task_id, error=away.message)
            await asyncio.sleep(wait * (0.5 + random.random() / 2))
            wait = min(2 * wait, LONGEST_S)

    def _asked(self, frame: Result | Feedback) -> Awaitable[Receipt]:
        if isinstance(frame, Result):
            return self._inbox.result(frame.corr, frame.body)
        return self._inbox.report(frame.corr, [frame.report()])

    def _ended(self, corr: str, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._last.get(corr) is task:
            del self._last[corr]
        if len(self._tasks) < MAX_TAKING:
            self._room.set()

    async def close(self) -> None:
        """Give up what is under way: it was not acknowledged, and comes again. Idempotent."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
