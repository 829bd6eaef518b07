"""An outbox that asks nobody: tasks stay open until a server that has workers takes the run up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import time_ns
from typing import Any

from dispatch._lodgings import Lodgings
from engine.answer import RateLimit
from engine.model import TaskId
from engine.outbox import Held, Rate, Standing, Unanswered, Work


class Nobody(Lodgings):
    """An `engine.outbox.Outbox` without workers."""

    in_line = under_way = in_flight = 0

    def __init__(self) -> None:
        super().__init__(lambda: time_ns() // 1_000_000)

    def submit(self, work: Work) -> None: ...

    def release(self, task_id: TaskId) -> None: ...

    def cancel(self, task_id: TaskId) -> None: ...

    def rebind(self, task_id: TaskId) -> None: ...

    def dismiss(self, left: Unanswered) -> None: ...

    async def gone_on(self, worker_id: str, said: Any) -> bool:
        return False

    def hold(self, held: bool) -> None: ...

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
