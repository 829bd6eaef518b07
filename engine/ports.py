"""What the engine needs from above: the store, and the outbox through which workers are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from engine.artifacts import Artifacts
from engine.brief import Brief
from engine.cache import Cache, Kept
from engine.catalogue import Catalogue
from engine.claims import ClaimRow, Claims
from engine.dead_letters import DeadLetter, DeadLetters
from engine.filters import EVERY_INTERRUPT as EVERY_INTERRUPT
from engine.filters import InterruptFilter as InterruptFilter
from engine.filters import RecentFilter as RecentFilter
from engine.filters import RunFilter as RunFilter
from engine.holds import Hold
from engine.jobs import JobItem, Jobs
from engine.model import Push, Ref, RunHead, RunId, TaskId
from engine.notices import Notice, Notices
from engine.places import Places
from engine.sessions import Sessions
from engine.values import dataclass

T = TypeVar("T")


class CommitRow(NamedTuple):
    """A commit as it is stored: what is searched by, `body` (the encoded commit), and a snapshot where one is due.

    A tuple, for thousands are read at once. `base` is the ref of the newest row with a snapshot on the line up to this
    one (itself, if it has one). `version` is the version of the run that the commit was planned on, `epoch` the lease
    under which it was made.
    """

    run_key: int
    seq: int
    branch: int
    parent: Ref | None
    kind: str
    node: str | None
    task_id: TaskId | None
    level: int | None
    at: int
    status: str
    actor: str
    version: int
    epoch: int
    dominator: Ref | None
    base: Ref | None
    body: bytes
    snapshot: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """Something that happened between commits: a dispatch, a retry, progress. `n` counts a run's events from 1;
    `seq` is the run's newest commit at that time, so that commits and events have one order."""

    run_key: int
    n: int
    seq: int
    at: int
    kind: str
    task_id: TaskId | None
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCommit:
    """A commit in the log of all runs, without its snapshot; `before` is the run's status after the commit before."""

    place: int
    row: CommitRow
    before: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """An event in the log of all runs; `follows` is the place of the commit that was the run's newest then (0: it is
    gone), `status` the run's after that."""

    place: int
    row: EventRow
    follows: int
    status: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerRow:
    """A durable timer of a task; a task has at most one of each kind."""

    run_key: int
    task_id: TaskId
    kind: str
    due_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptRow:
    """An interrupt as the inbox lists it. Statuses: open, resolved, cancelled, expired."""

    id: str
    run_key: int
    run_id: str
    task_id: TaskId
    node: str
    kind: str
    message: str
    schema: Any
    actions: Any
    status: str
    created_at: int
    expires_at: int | None = None
    resolved_at: int | None = None
    assignee: str | None = None
    claimed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowRow:
    """One version of a workflow. Statuses: draft, active, paused, archived; sources: api, file."""

    id: str
    version: int
    document: Any
    status: str
    source: str
    created_at: int
    updated_at: int
    name: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRow:
    """A registered worker. `token`, `secret` and `headers` are write-only: never returned, never logged."""

    id: str
    protocol: str
    url: str | None = None
    tags: tuple[str, ...] = ()
    max_concurrent: int = 1
    token: str | None = None
    secret: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    health: str | None = None
    status: str = "active"
    metadata: Any = field(default_factory=dict)
    created_at: int = 0
    updated_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptFate:
    """What became of an interrupt; what was asked stands in its commit."""

    id: str
    status: str
    resolved_at: int | None
    assignee: str | None
    claimed_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFate:
    """What became of a dead letter, by the number of its commit, and whose failure it was."""

    seq: int
    worker: str | None
    status: str
    redriven_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """All of a run that changes while it goes on, as it was at one moment; interrupts and letters in their order."""

    head: RunHead
    last_event: int
    timers: tuple[TimerRow, ...]
    interrupts: tuple[InterruptFate, ...]
    dead_letters: tuple[LetterFate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run's row must still say for a batch to be written: its version (number of commits) and lease epoch."""

    version: int
    epoch: int


@dataclass(slots=True, kw_only=True)
class Batch:
    """What one transaction writes, for many runs. Either all of it is written, or nothing."""

    created: list[RunHead] = field(default_factory=list)
    expected: dict[int, Expected] = field(default_factory=dict)
    commits: list[CommitRow] = field(default_factory=list)
    heads: dict[int, RunHead] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)
    timers: list[TimerRow] = field(default_factory=list)
    timers_cleared: list[tuple[int, TaskId]] = field(default_factory=list)
    """Tasks whose timers all go, before `timers` are set."""
    interrupts: list[InterruptRow] = field(default_factory=list)
    interrupts_ended: list[tuple[str, str, int | None]] = field(default_factory=list)
    """(interrupt id, status, time); without a time, one that is open again"""
    claims: list[ClaimRow] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    redriven: list[tuple[str, int]] = field(default_factory=list)
    """(id of a dead letter, time)"""
    retried: list[tuple[int, TaskId, int]] = field(default_factory=list)
    """(run, task, time): a retry starts the task again, and settles its open letters"""
    notices: list[Notice] = field(default_factory=list)
    notices_withdrawn: list[tuple[int, int]] = field(default_factory=list)
    """(run, time): what its webhook has not been told yet does not hold any more; before `notices` are added"""
    pushes: dict[int, tuple[tuple[Push, ...], int]] = field(default_factory=dict)
    """Run to all the pushes that it has from now on, and the time: notices for others do not hold any more, and those
    that have not arrived go to where the pushes are now; after `notices` are added."""
    needed: list[int] = field(default_factory=list)
    """Keys of runs that have to be there, because those that are created read their history."""
    holds: dict[int, Hold | None] = field(default_factory=dict)
    items: list[JobItem] = field(default_factory=list)
    """Runs that jobs have dealt with; one that is marked already is not marked again."""
    seats: dict[int, RunHead] = field(default_factory=dict)
    """Runs that have waited for their turn in a session, with their places in it and what they go on from; or that wait
    no longer."""
    sessions: dict[str, int] = field(default_factory=dict)
    """Sessions that runs are begun in or wait for, with the time: made where they are not there."""
    workflows: list[WorkflowRow] = field(default_factory=list)
    """Versions that runs bring along, added where they are not there. None becomes the newest of a workflow that is
    there; of one that is not, the highest number does."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        rows = (self.created, self.commits, self.heads, self.events, self.timers, self.timers_cleared)
        more = (self.interrupts, self.interrupts_ended, self.claims, self.dead_letters, self.redriven, self.retried)
        told = (self.kept, self.notices, self.notices_withdrawn, self.pushes, self.items)
        return not any((*rows, *more, *told, self.holds, self.seats, self.sessions, self.workflows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A page of a list, and the cursor of the next one (None: this was the last)."""

    items: tuple[T, ...]
    next_cursor: str | None


class Store(Artifacts, Cache, Catalogue, Claims, DeadLetters, Jobs, Notices, Places, Sessions, Protocol):
    """Where everything durable lives. Writes are all or nothing; a read never sees part of a batch."""

    async def open(self) -> None:
        """Create or migrate the schema and take the lock. Raises StoreLocked when another process serves it."""

    async def close(self) -> None:
        """Release everything; idempotent."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store can be read."""

    async def probe(self) -> None:
        """Write something that nobody needs, durably. Raises StoreUnavailable while the store takes no commit."""

    async def backup(self, target: str) -> int:
        """Write all that is durable now to a new file, beside the writing; returns its size in bytes. Raises Conflict
        `backup.exists`, Invalid `backup.unsupported` where there are no files, StoreUnavailable."""

    # runs

    async def next_run_key(self) -> int:
        """The first run key that is free; the engine counts on from there."""

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        """Write a batch durably, in one transaction; `meanwhile`, which raises nothing, may be called while the disk is
        waited for. Raises StaleCommit (nothing written) when a run's version or
        epoch is not the expected one, StoreUnavailable (nothing written) when the store cannot take it, Conflict
        `workflow.differs` (nothing written) when a version that is brought along is there and says something else."""

    async def commit_all(self, batches: Iterable[Batch]) -> None:
        """Write batches one after another, in one transaction: all of them, or nothing. Raises as `commit`."""

    async def run(self, run_id: RunId) -> RunHead | None: ...
    async def run_by_key(self, run_key: int) -> RunHead | None: ...
    async def runs(self, where: RunFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        """Newest first, without those of which no more than the beginning is there. Raises Invalid for a cursor that is
        none of ours."""

    async def recent_runs(self, where: RecentFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        """The same by the time of their last change, the last changed first."""

    async def count_recent(self, where: RecentFilter) -> int:
        """How many runs such a list holds on all its pages."""

    async def moment(self, run_key: int) -> Moment | None:
        """Where a run stands, all of it read at one moment."""

    async def delete_run(self, run_key: int) -> None:
        """Delete a run with all it owns, in one transaction, and its session where it was the last one of that. Raises
        Conflict `run.has_forks` while runs live that were forked from it, or that go on from it in its session."""

    async def forks_of(self, run_key: int) -> list[RunHead]:
        """The runs that were forked from a checkpoint of this one, or that go on from one in its session."""

    # history

    async def commits(self, run_key: int, first: int, last: int) -> list[CommitRow]:
        """The commits of a run with first <= seq <= last, in order."""

    async def commits_at(self, refs: Sequence[Ref]) -> list[CommitRow]:
        """The commits with these refs, in any order; missing ones are left out."""

    async def commits_before(self, run_key: int, before: int, limit: int, node: str | None) -> list[CommitRow]:
        """At most `limit` commits with seq < before, newest first, of one node if given."""

    async def briefs(self, run_key: int, first: int, last: int, text: bytes | None = None) -> list[Brief]:
        """The commits with first <= seq <= last, in order; with a text, those whose body holds it."""

    async def turns(self, run_key: int) -> list[CommitRow]:
        """The commits of the kinds in TURNS (replay, checkout, retry), in order; few, and found without reading the
        others."""

    async def events(self, run_key: int, after: int, limit: int) -> list[EventRow]:
        """At most `limit` events with n > after, in order."""

    async def task_events(self, run_key: int, task_id: TaskId) -> list[EventRow]: ...
    async def last_event(self, run_key: int) -> int:
        """The highest `n` of a run's events; 0 if there are none."""

    async def log_commits(self, after: int, limit: int) -> list[LoggedCommit]:
        """At most `limit` commits of all runs with place > after, in the order in which they were written. Places only
        grow; that of a commit which was deleted is never given again."""

    async def log_events(self, after: int, limit: int) -> list[LoggedEvent]:
        """The same of events; they have places of their own."""

    async def log_end(self) -> tuple[int, int]:
        """The places of the last commit and of the last event, 0 for none."""

    # interrupts, timers

    async def interrupt(self, interrupt_id: str) -> InterruptRow | None: ...
    async def interrupts(
        self,
        status: str | None,
        run_key: int | None,
        limit: int,
        cursor: str | None,
        where: InterruptFilter = EVERY_INTERRUPT,
    ) -> Page[InterruptRow]:
        """Newest first."""

    async def assign(self, interrupt_id: str, assignee: str, at: int) -> None:
        """Have somebody look after an open interrupt; no effect where somebody does. Raises NotFound, or Conflict
        where it is not open or somebody else does."""

    async def unassign(self, interrupt_id: str) -> None:
        """Have nobody look after an interrupt any more. Idempotent."""

    async def timers(self, run_key: int) -> list[TimerRow]: ...
    async def resting_timers(self) -> list[TimerRow]:
        """The timers of all runs that are interrupted and not held: nothing else tells when these go on."""
