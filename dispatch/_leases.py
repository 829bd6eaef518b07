"""Leases: tasks that workers may hold only as long as something is heard of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dispatch._rate import Later, Timer
from engine.model import TaskId


@dataclass(slots=True)
class Lease:
    """`until` is when it lapses, in milliseconds since the epoch."""

    lease_ms: int
    until: int
    timer: Timer


class Leases:
    """`lapsed` is called when nothing was heard of a task for as long as its lease allows. While they are `held`,
    nobody can be heard, and none lapses."""

    def __init__(
        self, clock: Callable[[], int], later: Later, lapsed: Callable[[TaskId], None], held: Callable[[], bool]
    ) -> None:
        self._clock, self._later, self._lapsed, self._held = clock, later, lapsed, held
        self._leases: dict[TaskId, Lease] = {}

    def begin(self, task_id: TaskId, lease_ms: int) -> None:
        """A worker holds a task from now on."""
        self.end(task_id)
        timer = self._later(lease_ms / 1000, lambda: self._due(task_id))
        self._leases[task_id] = Lease(lease_ms, self._clock() + lease_ms, timer)

    def extend(self, task_id: TaskId) -> None:
        """Something was heard of a task; no effect without a lease."""
        if (lease := self._leases.get(task_id)) is not None:
            lease.until = self._clock() + lease.lease_ms

    def end(self, task_id: TaskId) -> None:
        """A worker holds a task no more. Idempotent."""
        if (lease := self._leases.pop(task_id, None)) is not None:
            lease.timer.cancel()

    def close(self) -> None:
        """Have none lapse any more."""
        for task_id in tuple(self._leases):
            self.end(task_id)

    def _due(self, task_id: TaskId) -> None:
        lease = self._leases[task_id]
        if self._held():
            lease.until = self._clock() + lease.lease_ms
        left = lease.until - self._clock()
        if left > 0:
            lease.timer = self._later(left / 1000, lambda: self._due(task_id))
            return
        del self._leases[task_id]
        self._lapsed(task_id)
