"""Looks up answers that are kept before a worker is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from engine.answers import take_kept
from engine.artifacts import HOLD_MS, references_in
from engine.cache import Kept
from engine.codec import write
from engine.commits import Step
from engine.driver.loop import Loop
from engine.driver.turn import Live, Turn
from engine.errors import EngineError, NodeFailure
from engine.model import TERMINAL
from engine.outbox import Work

log = structlog.get_logger(__name__)
Take = Callable[[Turn, Live, Step], None]


class Lookup:
    """Asks the store; what is found is applied as an answer, else the worker is asked."""

    def __init__(self, loop: Loop, take: Take) -> None:
        self.loop, self.take = loop, take
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, live: Live, work: Work, key: str, ask: Callable[[], None]) -> None:
        """Look for an answer; `ask` asks the worker where there is none."""
        self._start(self._look(live, work, key, ask))

    async def close(self) -> None:
        """Look for no more; idempotent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, looking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(looking)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self, live: Live, work: Work, key: str, ask: Callable[[], None]) -> None:
        found = None
        try:
            found = await self._kept(key)
        except EngineError as error:  # the worker can be asked all the same
            log.warning("cache.unavailable", code=error.code, **work.names)
        if live.dropped:
            return
        if found is None:
            ask()
        else:
            self.loop.ask(live, lambda turn, run: self._apply(turn, run, work, found, ask))

    async def _kept(self, key: str) -> Kept | None:
        """An answer that is kept, and of which everything is still there that it refers to."""
        found = await self.loop.store.kept_answer(key, self.loop.clock())
        if found is not None and (named := references_in(write(found.answer))):
            missing = await self.loop.store.hold_artifacts(named, self.loop.clock() + HOLD_MS)
            return None if missing else found
        return found

    def _apply(self, turn: Turn, live: Live, work: Work, kept: Kept, ask: Callable[[], None]) -> None:
        run, task = live.run, live.run.open_task(work.task_id)
        if task is None or run.status in TERMINAL or run.failing or run.progress[task.id].attempt != work.attempt:
            return
        try:
            step = take_kept(run, task, run.progress[task.id].input_hash, kept.answer, kept.worker, turn.now)
        except NodeFailure:  # the state does not take it any more: it is no answer here
            step = None
        if step is None:
            turn.effects.append(ask)
        else:
            self.take(turn, live, step)
