"""An outbox that answers from a script instead of asking workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dispatch._lodgings import Lodgings
from dispatch._script import Line, Script
from engine.answer import RateLimit
from engine.model import TaskId
from engine.outbox import Held, Rate, Standing, Unanswered, Work

WORKER = "script"


class Scripted(Lodgings):
    """An `engine.outbox.Outbox` whose one worker is a script, with room for everything."""

    def __init__(self, script: Script, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self._script, self._clock = script, clock
        self._due: dict[TaskId, asyncio.TimerHandle] = {}

    def submit(self, work: Work) -> None:
        self.release(work.task_id)
        line = self._script.next(work.node) or _missing(self._script, work.node)
        now = self._clock()
        loop = asyncio.get_running_loop()
        self._due[work.task_id] = loop.call_later(line.delay_ms / 1000, self._reply, work, line)
        self._listener.dispatched(work, WORKER, now, now + work.timeout_ms)

    def _reply(self, work: Work, line: Line) -> None:
        self._due.pop(work.task_id, None)
        self._listener.replied(work, WORKER, line.reply(work.node))

    def release(self, task_id: TaskId) -> None:
        if (due := self._due.pop(task_id, None)) is not None:
            due.cancel()

    def cancel(self, task_id: TaskId) -> None:
        self.release(task_id)

    def rebind(self, task_id: TaskId) -> None:
        self.release(task_id)

    def dismiss(self, left: Unanswered) -> None: ...

    async def gone_on(self, worker_id: str, said: Any) -> bool:
        return False

    def hold(self, held: bool) -> None: ...

    in_line = 0

    @property
    def under_way(self) -> int:
        return len(self._due)

    @property
    def in_flight(self) -> int:
        return len(self._due)

    def prepare(self, work: Work) -> None: ...
    def withdraw(self, task_id: TaskId) -> None: ...

    def workers_changed(self, workers: Mapping[str, Any]) -> None: ...

    def alive(self, task_id: TaskId) -> None: ...

    def rated(self, worker_id: str, limit: RateLimit) -> None: ...

    def standing(self, worker_id: str) -> Standing:
        return Standing()

    def held_by(self, worker_id: str) -> Sequence[Held]:
        return ()

    def why_not(self, task_id: TaskId) -> Mapping[str, str]:
        return {}

    def rates(self) -> Mapping[str, Rate]:
        return {}

    async def close(self, grace_s: float) -> None:
        await super().close(grace_s)
        for task_id in list(self._due):
            self.release(task_id)


def _missing(script: Script, node: str) -> Line:
    return Line(kind="fail", value={"code": "script.missing", "message": script.why_none(node)})
