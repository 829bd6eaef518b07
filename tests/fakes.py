"""Stand-ins for what surrounds the core. Nothing here waits: a test moves clock, workers and store itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.answer import RateLimit
from engine.errors import StaleCommit
from engine.model import TURNS, Ref, RunHead, RunId, TaskId, run_key_of, seq_of
from engine.notices import Notice
from engine.outbox import Listener, Rate, Work
from engine.ports import Batch, CommitRow, EventRow, TimerRow

T = TypeVar("T")


def ready(work: Coroutine[Any, Any, T]) -> T:
    """The value of a coroutine that never waits; it may let others through."""
    while True:
        try:
            waits_for = work.send(None)
        except StopIteration as done:
            value: T = done.value
            return value
        if waits_for is not None:
            work.close()
            raise AssertionError("the coroutine waits")


@dataclass(slots=True)
class RowStore:
    """The part of the store port that rebuilding a run needs, with rows in lists; it checks what a batch expects."""

    heads: dict[int, RunHead] = field(default_factory=dict)
    keys: dict[RunId, int] = field(default_factory=dict)
    rows: dict[int, list[CommitRow]] = field(default_factory=dict)
    noted: dict[int, list[EventRow]] = field(default_factory=dict)
    due: dict[int, dict[tuple[TaskId, str], TimerRow]] = field(default_factory=dict)
    asked: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Interrupts: of which run, in which status."""
    told: dict[str, Notice] = field(default_factory=dict)
    """The notices that still hold: nothing here delivers them."""

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        for key, expected in batch.expected.items():
            if len(self.rows[key]) != expected.version or self.heads[key].epoch != expected.epoch:
                raise StaleCommit(f"run {key} is not at version {expected.version}")
        for head in batch.created:
            self.heads[head.key], self.keys[head.id] = head, head.key
            self.rows[head.key], self.noted[head.key], self.due[head.key] = [], [], {}
        self.heads.update(batch.heads)
        for row in batch.commits:
            self.rows[row.run_key].append(row)
        for event in batch.events:
            self.noted[event.run_key].append(event)
        self.asked.update((row.id, (row.run_key, row.status)) for row in batch.interrupts)
        self.asked.update((name, (self.asked[name][0], status)) for name, status, _ in batch.interrupts_ended)
        for key, task_id in batch.timers_cleared:
            self.due[key] = {name: row for name, row in self.due[key].items() if name[0] != task_id}
        gone = {key for key, _ in batch.notices_withdrawn}
        self.told = {name: notice for name, notice in self.told.items() if notice.run_key not in gone}
        self.told.update((notice.id, notice) for notice in batch.notices)
        for timer in batch.timers:
            self.due[timer.run_key][timer.task_id, timer.kind] = timer

    async def run(self, run_id: RunId) -> RunHead | None:
        return self.heads.get(self.keys.get(run_id, -1))

    async def run_by_key(self, run_key: int) -> RunHead | None:
        return self.heads.get(run_key)

    async def commits(self, run_key: int, first: int, last: int) -> list[CommitRow]:
        return self.rows.get(run_key, [])[first - 1 : last]

    async def commits_at(self, refs: Sequence[Ref]) -> list[CommitRow]:
        return [self.rows[run_key_of(ref)][seq_of(ref) - 1] for ref in refs]

    async def turns(self, run_key: int) -> list[CommitRow]:
        return [row for row in self.rows.get(run_key, []) if row.kind in TURNS]

    async def events(self, run_key: int, after: int, limit: int) -> list[EventRow]:
        return [event for event in self.noted[run_key] if event.n > after][:limit]

    async def task_events(self, run_key: int, task_id: TaskId) -> list[EventRow]:
        return [event for event in self.noted[run_key] if event.task_id == task_id]

    async def last_event(self, run_key: int) -> int:
        return len(self.noted[run_key])

    async def timers(self, run_key: int) -> list[TimerRow]:
        return list(self.due[run_key].values())


@dataclass(slots=True)
class HeldOutbox:
    """Keeps what is submitted until a test delivers it; `given` are the attempts that a worker holds."""

    works: dict[TaskId, Work] = field(default_factory=dict)
    given: dict[TaskId, Work] = field(default_factory=dict)

    def listen(self, listener: Listener) -> None: ...

    def prepare(self, work: Work) -> None: ...

    def submit(self, work: Work) -> None:
        self.works[work.task_id] = work

    def release(self, task_id: TaskId) -> None:
        self.works.pop(task_id, None)
        self.given.pop(task_id, None)

    def cancel(self, task_id: TaskId) -> None:
        self.release(task_id)

    def rated(self, worker_id: str, limit: RateLimit) -> None: ...
    def rates(self) -> Mapping[str, Rate]:
        return {}

    def withdraw(self, task_id: TaskId) -> None:
        if task_id not in self.given:
            self.works.pop(task_id, None)

    def hold(self, held: bool) -> None: ...

    def holds(self, work: Work) -> bool:
        """Whether a worker has got this attempt."""
        given = self.given.get(work.task_id)
        return given is not None and given.attempt == work.attempt


@dataclass(slots=True)
class HeldTimers:
    """Keeps timers until a test fires them."""

    held: dict[tuple[TaskId, str], tuple[int, int]] = field(default_factory=dict)
    """(task, kind) → (due time, run key)"""

    def set(self, due_at: int, run_key: int, task_id: TaskId, kind: str) -> None:
        self.held[task_id, kind] = (due_at, run_key)

    def clear(self, task_id: TaskId) -> None:
        for name in [name for name in self.held if name[0] == task_id]:
            del self.held[name]

    def close(self) -> None:
        self.held.clear()
