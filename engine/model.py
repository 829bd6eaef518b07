"""The frozen values that everything else speaks about: graphs, tasks, arrivals, commits and their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NewType

from engine.holds import Hold
from engine.kinds import BY_REQUEST, BY_WORKERS, CAUSAL, EDITS, JUMPS, TERMINAL, TURNS, Kind, RunStatus, TaskStatus
from engine.session import Seat
from engine.values import dataclass

__all__ = ["CAUSAL", "EDITS", "JUMPS", "TERMINAL", "TURNS", "Kind", "RunStatus", "TaskStatus"]  # and all that is below

RunId = NewType("RunId", str)
TaskId = NewType("TaskId", str)
InterruptId = NewType("InterruptId", str)
Ref = NewType("Ref", int)
"""A commit's address in the store: `run_key << 32 | seq`. Refs of one run grow with its commits."""

Json = Any
Updates = tuple[tuple[str, Json], ...]
"""State updates in the order in which they apply: (key, update) pairs; a key may occur twice."""

START, END = "__start__", "__end__"
GOTO = -1
"""Stands for the edge where an answer named the node by `goto`: no edge led there."""
DEFERRED = "deferred"
"""The place of what waits at a deferred node, and of the task that it becomes."""
NAMED = "named"
"""The place of the tasks that a fork or replay names by `goto`."""
SEQ_BITS = 32


def make_ref(run_key: int, seq: int) -> Ref:
    """The ref of commit `seq` (from 1) of the run with the store's integer key `run_key`."""
    return Ref(run_key << SEQ_BITS | seq)


def run_key_of(ref: Ref) -> int:
    return ref >> SEQ_BITS


def seq_of(ref: Ref) -> int:
    return ref & ((1 << SEQ_BITS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """The one error object of a failure (language 3.3)."""

    code: str
    message: str
    node: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    retryable: bool | None = None
    details: Json = None

    def as_json(self) -> dict[str, Json]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a task or a run has used: tokens, and cost in the worker's currency."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    def plus(self, other: Usage) -> Usage:
        if other is NO_USAGE or self is NO_USAGE:
            return self if other is NO_USAGE else other
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=self.cost + other.cost,
        )

    def minus(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cost=self.cost - other.cost,
        )

    def as_json(self) -> dict[str, Json]:
        return {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens, "cost": self.cost}


NO_USAGE = Usage()


ERA = "@"
"""Begins the name of an era: behind it stands the commit that changed to a version with other edges. An era ends the
generation of all waves since, and is the place of the tasks that were open then."""


@dataclass(frozen=True, slots=True, order=True)
class Wave:
    """A node with one value for each of its rounds, in one frame and generation (language 3.2)."""

    node: str
    rounds: tuple[int, ...] = ()
    frame: str = ""
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """What is kept of a commit that is folded away and that nothing follows from yet."""

    ref: Ref
    task_id: str
    fleeting: Updates = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a completed task sent along an edge (or by GOTO) and what waits at a join.

    `place` is set where it activates its node by itself, whatever else arrives there: it tells that task from others.
    """

    edge: int
    cause: Ref
    wave: Wave
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A breakpoint that holds something back: with `handles` what comes after a node that is done and leaves by them,
    without what comes before one."""

    handles: tuple[str | None, ...] | None = None
    goto: tuple[str, ...] | None = None
    """The nodes that it leaves for instead."""

    @property
    def side(self) -> str:
        return "before" if self.handles is None else "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One activation of a node.

    `causes` are the commits that activated it, in canonical order, edits last; `edges` the indexes of the edges it
    arrived over; `call` the id of the send task whose item it is, and `slot` its place among that send's tasks.
    `place` tells tasks of one wave apart where each arrival, or a `goto`, activates the node by itself.
    A task with a `gate` is none yet, or none any more: it stands in the frontier for what a breakpoint holds back.
    """

    id: TaskId
    wave: Wave
    causes: tuple[Ref, ...]
    level: int
    edges: tuple[int, ...] = ()
    index: int | None = None
    call: TaskId | None = None
    slot: int | None = None
    place: str = ""
    gate: Gate | None = None

    @property
    def node(self) -> str:
        return self.wave.node

    @property
    def whole(self) -> bool:
        """Whether it sees everything that was committed before: its causes are all commits that nothing followed."""
        return self.call is None and self.place in (DEFERRED, NAMED)

    @property
    def ways(self) -> tuple[int, ...]:
        """What tells tasks with the same causes apart: the edges they arrived over, or their place in a send."""
        return self.edges if self.slot is None else (self.slot,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A send in progress: its fan-out commit, the number of its tasks and the commits of those that are done."""

    fanout: Ref
    size: int
    done: tuple[tuple[int, Ref], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """A subgraph in progress: its frame and what that was given, which turn of its loop it is, which try of the whole,
    and what the turn before (in a fork: all of them) gave to the state around it."""

    frame: str
    input: Json = field(default_factory=dict)
    turn: int = 1
    attempt: int = 1
    updates: Updates = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """A task that is ended without an answer, as far as it had come."""

    task: Task
    created_at: int
    started_at: int | None = None
    attempt: int = 1
    worker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptOpened:
    """An interrupt that a commit opened, with everything that people see of it."""

    id: InterruptId
    task_id: TaskId
    node: str
    kind: str
    message: str
    created_at: int
    schema: Json = None
    actions: Json = None
    expires_at: int | None = None

    @property
    def by_worker(self) -> bool:
        """Whether a worker asks, and is asked again with the answer."""
        return self.kind in BY_WORKERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reuse:
    """What a fork or replay may take answers from: the line that it came from, up to the commit `until` (3.4)."""

    until: Ref
    interrupts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One checkpoint of a run: what happened, what was written, and how the frontier changed.

    Times are milliseconds since the epoch. `opened`, `closed`, `waiting` and `joined` are the frontier delta: tasks
    activated, tasks that are over, arrivals that wait, waves whose arrivals became a task or are of no use any more;
    `absorbed` are the waves that take no more, `cancelled` those of the closed tasks that somebody else has ended.
    `writes` went through the reducers in this order. `calls` is set on the commit of a fan-out and on forks of one,
    `frames` on the one that begins a subgraph and on forks of it. `reused` marks an answer from another line
    (`by_human`: people had a part in it), `cached` one that was kept from another run; forks and replays say by `reuse`
    which line that may be. `limits` are those that a retry raised. `versions` are the workflow versions before and
    after a commit that changes it, `dropped` the addresses of what had no place in the new one. `goto` names what a
    fork or replay runs instead of what was in flight. `spent` is what the task had used by earlier commits.
    """

    ref: Ref
    kind: Kind
    at: int
    branch: int = 1
    parent: Ref | None = None
    task: Task | None = None
    level: int | None = None
    writes: Updates = ()
    causes: tuple[Ref, ...] = ()
    dominator: Ref | None = None
    opened: tuple[Task, ...] = ()
    closed: tuple[TaskId, ...] = ()
    waiting: tuple[Arrival, ...] = ()
    joined: tuple[Wave, ...] = ()
    absorbed: tuple[Wave, ...] = ()
    cancelled: tuple[Cancelled, ...] = ()
    calls: tuple[tuple[TaskId, Call], ...] = ()
    frames: tuple[tuple[TaskId, Nested], ...] = ()
    chosen: tuple[str, ...] | None = None
    handle: str | None = None
    answer: Json = None
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    spent: Usage = NO_USAGE
    attempt: int = 1
    worker: str | None = None
    created_at: int | None = None
    started_at: int | None = None
    interrupt: InterruptOpened | None = None
    resolved: tuple[InterruptId, ...] = ()
    status: RunStatus = RunStatus.RUNNING
    task_status: TaskStatus | None = None
    actor: str = "engine"
    epoch: int = 0
    input_hash: str | None = None
    reused: bool = False
    by_human: bool = False
    cached: bool = False
    reuse: Reuse | None = None
    limits: Mapping[str, int | float] | None = None
    versions: tuple[int, int] | None = None
    dropped: tuple[str, ...] = ()
    goto: tuple[str, ...] | None = None

    @property
    def seq(self) -> int:
        return seq_of(self.ref)

    @property
    def frame(self) -> str:
        """The frame whose history it is a part of: an edit is one of the run's own."""
        if self.task is None or self.kind in EDITS:
            return ""
        return self.frames[0][1].frame if self.kind is Kind.START else self.task.wave.frame

    @property
    def worker_asks(self) -> bool:
        """Whether a worker has asked something instead of answering."""
        return self.interrupt is not None and self.interrupt.by_worker

    @property
    def puts_back(self) -> bool:
        """Whether it has what had not begun wait behind breakpoints, for the run is to stop."""
        return self.kind is Kind.INTERRUPT and self.task is None

    @property
    def version(self) -> int:
        """The run's version that the commit was planned on: the number of commits before it."""
        return self.seq - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """The address outside that is told when a run comes to one of the statuses in `events`. The secret signs what is
    sent; it is write-only."""

    url: str
    secret: str | None = field(default=None, repr=False)
    events: tuple[RunStatus, ...] = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """An address outside that is told of every status of a run. The token and the credentials are write-only."""

    id: str
    url: str
    form: str
    created_at: int
    token: str | None = field(default=None, repr=False)
    scheme: str | None = None
    credentials: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """The row of a run: what stays fixed, and where it stands."""

    key: int
    id: RunId
    workflow_id: str
    workflow_version: int
    status: RunStatus
    head: Ref
    created_at: int
    updated_at: int
    input: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    interrupt_before: tuple[str, ...] | None = None
    interrupt_after: tuple[str, ...] | None = None
    hook: Hook | None = None
    pushes: tuple[Push, ...] = ()
    origin_id: str = ""
    branch: int = 1
    epoch: int = 0
    error: ErrorInfo | None = None
    usage: Usage = NO_USAGE
    task_count: int = 0
    parent: Ref | None = None
    parent_id: str | None = None
    metadata: Json = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    name: str | None = None
    trigger: str = BY_REQUEST
    finished_at: int | None = None
    hold: Hold | None = None
    priority: int = 0
    concurrency_key: str | None = None
    start_at: int | None = None
    reason: str | None = None
    """Why it is queued; None for one that is not."""
    seat: Seat | None = None

    @property
    def changed_at(self) -> int:
        """When it last changed; that of one which has ended is its end."""
        return self.updated_at if self.finished_at is None else self.finished_at

    @property
    def continues(self) -> bool:
        """Whether it goes on from another run of its session; else one that it has for a parent is what it was forked
        from."""
        return self.parent is not None and self.seat is not None
