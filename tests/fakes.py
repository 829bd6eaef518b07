"""Stand-ins for what surrounds the core. Nothing here waits: a test moves clock, workers and store itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dispatch._gates import Gates
from dispatch._stays import Lodger, Stays
from engine.answer import RateLimit
from engine.errors import StaleCommit
from engine.limits import Gate, LimitReason, gates_of
from engine.line import Order, order_of
from engine.model import TURNS, Ref, RunHead, RunId, TaskId, run_key_of, seq_of
from engine.notices import Notice
from engine.outbox import Held, Listener, Rate, Standing, Stay, Unanswered, Work
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


@dataclass(slots=True, eq=False)
class Turn:
    """An attempt in the gates of its limits; `reason` says why it does not pass."""

    order: Order
    gates: tuple[Gate, ...]
    name: str
    within: tuple[str, ...]
    passed: int = 0
    reason: str | None = None
    holds: bool = False


@dataclass(slots=True)
class Ties(Iterator[int]):
    """Numbers that tell apart who came at the same time: the same ones fall to the same after a crash, where all come
    again in whatever order."""

    known: dict[tuple[object, ...], int] = field(default_factory=dict)
    who: tuple[object, ...] = ()

    def __next__(self) -> int:
        return self.known.setdefault(self.who, len(self.known))


class Never:
    """A timer that goes off when a test says so."""

    def cancel(self) -> None: ...


@dataclass(slots=True)
class HeldOutbox:
    """Keeps what is submitted until a test delivers it; `given` are the attempts that a worker holds. What has limits
    has to pass their gates before."""

    works: dict[TaskId, Work] = field(default_factory=dict)
    given: dict[TaskId, Work] = field(default_factory=dict)
    turns: dict[TaskId, Turn] = field(default_factory=dict)
    gates: Gates[Turn | Lodger] = field(init=False)
    stays: Stays[Turn] = field(init=False)
    numbers: Ties = field(default_factory=lambda: Ties())
    laters: list[Callable[[], None]] = field(default_factory=list)
    """What was to be done later, when a rate allows something again."""
    now: Callable[[], int] = lambda: 0
    listener: Listener = field(init=False)
    first: set[tuple[TaskId, int]] = field(default_factory=set)
    """Attempts that pass their gates before all others."""
    knotted: bool = False
    """Whether they pass them whatever these allow: a ring may have let more through than there is room."""
    halfway: dict[TaskId, int] = field(default_factory=dict)
    """Tasks that have passed so many of the gates of their rooms, and are behind these before all others."""
    shut: bool = False
    """Whether the gates stay shut for now."""
    dismissed: list[Unanswered] = field(default_factory=list)
    """What workers said last and were told that nobody goes on with."""

    def __post_init__(self) -> None:
        self.gates = Gates(self._told)
        self.stays = Stays(self.gates, lambda: self.now(), self.numbers, lambda: self.listener, self._later)

    def listen(self, listener: Listener) -> None:
        self.listener = listener

    def _told(self, turn: Turn | Lodger, reason: LimitReason) -> None:
        if isinstance(turn, Lodger):
            self.stays.keep_out(turn, reason)
        else:
            turn.reason = reason.value

    def _later(self, seconds: float, act: Callable[[], None]) -> Never:
        self.laters.append(act)
        return Never()

    def move_in(self, stay: Stay, *, here: bool = False) -> None:
        self.numbers.who = (stay.task_id,)
        self._through(self.stays.move_in(stay, here=here))
        if passed := self.halfway.pop(stay.task_id, 0):
            lodger = self.stays._lodgers[stay.task_id]
            self.gates.leave(lodger)
            for gate in lodger.gates[:passed]:
                self.gates._pass(lodger, gate)
            self.gates.enter(lodger)

    def move_out(self, task_ids: Iterable[TaskId]) -> None:
        self._through(self.stays.move_out(task_ids))

    def move_out_of(self, run_id: RunId, but: Collection[TaskId] = ()) -> None:
        self._through(self.stays.move_out_of(run_id, but))

    def prepare(self, work: Work) -> None: ...

    def submit(self, work: Work) -> None:
        self._leave(work.task_id)
        self.works[work.task_id] = work
        is_first = (work.task_id, work.attempt) in self.first
        since = -1 if is_first else work.since
        self.first.discard((work.task_id, work.attempt))  # a retry of the run lines it up anew
        # what waits anew comes anew, as all do that wait when their run is tried again
        self.numbers.who = (work.task_id, work.attempt, work.turn, work.resumes, work.since)
        order = order_of(work.priority, since, next(self.numbers))
        turn = self.turns[work.task_id] = Turn(order, gates_of(work.limits), work.task_id, work.limits.within)
        if work.accepted_by is not None or (is_first and self.knotted):
            self.gates.force(turn)
        elif not self.gates.enter(turn):
            self._through(self.stays.settle(self.gates.unknot(turn)))

    def open(self) -> None:
        if not self.shut:
            self._through(self.stays.settle(self.gates.open()))

    def release(self, task_id: TaskId) -> None:
        self.works.pop(task_id, None)
        self.given.pop(task_id, None)
        self._leave(task_id)

    def _leave(self, task_id: TaskId) -> None:
        if (turn := self.turns.pop(task_id, None)) is not None:
            self._through(self.stays.settle(self.gates.leave(turn)))

    @staticmethod
    def _through(turns: Iterable[Turn]) -> None:
        for turn in turns:
            turn.reason = None

    def waits_for(self, task_id: TaskId) -> str | None:
        """Why an attempt may not be given to a worker; empty where it is not known yet, None where it may."""
        turn = self.turns[task_id]
        return None if turn.passed == len(turn.gates) else turn.reason or ""

    def forget(self) -> None:
        """Forget everything, as in a crash."""
        self.works.clear()
        self.given.clear()
        self.turns.clear()
        self.first.clear()
        self.halfway.clear()
        self.laters.clear()
        self.__post_init__()

    def cancel(self, task_id: TaskId) -> None:
        self.release(task_id)

    def rebind(self, task_id: TaskId) -> None:
        self.release(task_id)

    def dismiss(self, left: Unanswered) -> None:
        self.dismissed.append(left)

    async def gone_on(self, worker_id: str, said: Any) -> bool:
        return False

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

    def withdraw(self, task_id: TaskId) -> None:
        if task_id not in self.given:
            self.release(task_id)

    def hold(self, held: bool) -> None: ...

    def passed(self) -> set[tuple[TaskId, int]]:
        """The attempts that wait for no other one."""
        return {(name, work.attempt) for name, work in self.works.items() if self.waits_for(name) is None}

    def waiting_halfway(self) -> dict[TaskId, int]:
        """The tasks that wait for their rooms behind some of their gates, and behind how many."""
        waiting = {name: found for name, found in self.stays._lodgers.items() if not found.inside}
        return {name: found.passed for name, found in waiting.items() if 0 < found.passed < len(found.gates)}

    @property
    def in_flight(self) -> int:
        """How many attempts workers have."""
        return len(self.given)

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
