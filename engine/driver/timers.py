"""Timers of open tasks, in memory: one wake-up of the event loop for the earliest of them."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

from engine.model import TaskId

Due = Callable[[int, TaskId, str], None]
LONGEST_S = 3600.0


class Timers:
    """Calls `due(run_key, task_id, kind)` when a timer's time has come; a task has at most one of each kind.

    Timers of a run as a whole go by the run's id in place of a task's. They stay when a run that rests is dropped from
    memory: a few hundred bytes each.
    """

    def __init__(self, clock: Callable[[], int], due: Due) -> None:
        self._clock, self._due = clock, due
        self._heap: list[tuple[int, int, TaskId, str]] = []
        self._set: dict[TaskId, dict[str, int]] = {}
        self._handle: asyncio.TimerHandle | None = None

    def set(self, due_at: int, run_key: int, task_id: TaskId, kind: str) -> None:
        """Set or replace a timer; `due_at` in milliseconds since the epoch."""
        self._set.setdefault(task_id, {})[kind] = due_at
        heapq.heappush(self._heap, (due_at, run_key, task_id, kind))
        if self._heap[0][0] == due_at:
            self._arm()

    def clear(self, task_id: TaskId) -> None:
        """Forget the timers of a task."""
        self._set.pop(task_id, None)

    def close(self) -> None:
        """Forget all of them."""
        self._heap.clear()
        self._set.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            delay = min(max(0.0, (self._heap[0][0] - self._clock()) / 1000), LONGEST_S)
            self._handle = asyncio.get_running_loop().call_later(delay, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due_at, run_key, task_id, kind = heapq.heappop(self._heap)
            if self._set.get(task_id, {}).get(kind) == due_at:
                self._forget(task_id, kind)
                self._due(run_key, task_id, kind)
        self._arm()

    def _forget(self, task_id: TaskId, kind: str) -> None:
        del self._set[task_id][kind]
        if not self._set[task_id]:
            del self._set[task_id]
