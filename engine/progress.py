"""What is known of the work of a run between its commits: how far open tasks are, and the state to be injected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from engine.limits import Gate, Room
from engine.model import NO_USAGE, Commit, ErrorInfo, InterruptId, TaskStatus, Usage
from engine.values import dataclass

TIMER = "timer"
"""Why a task waits that waits for nothing but its time."""


@dataclass(slots=True)
class Progress:
    """What is known of an open task beyond its activation. Times are milliseconds since the epoch."""

    created_at: int = 0
    status: TaskStatus = TaskStatus.PENDING
    attempt: int = 1
    first_attempt: int = 1
    """The attempt that the node's retry policy counts from: a retry of the run begins anew."""
    since: int = 0
    """The commit before which nothing that happened to the task counts any more."""
    worker: str | None = None
    started_at: int | None = None
    deadline: int | None = None
    ack_by: int | None = None
    """When the attempt has failed unless it was accepted or answered, where that is before its deadline. It is not
    kept: what was not accepted is sent again after a restart."""
    due_at: int | None = None
    was_sent: bool = False
    """Whether a worker may have its attempt, which is sent again: others that wait for a turn come after it."""
    again_at: int = 0
    """When its send let it go on, it began to have something else to ask, or was tried again with its run."""
    retried: tuple[tuple[int, int], ...] = ()
    """The retries of its run with which it began to wait anew since anything else happened to it: each by its commit,
    and its time. Whether it did so each time, only what happened between commits can say."""
    again_before: int = 0
    """What `again_at` was before the first of them."""
    reason: str | None = None
    room: Room | None = None
    """What bounds it from its beginning to its end; None where that was not asked yet. It follows from what it sees."""
    has_room: bool = False
    """Whether it has passed these bounds. That is durable before anything comes of it."""
    passed: int = 0
    """How many of their gates it has passed, as long as it is in line for its room."""
    wants: tuple[Gate, ...] = ()
    """What its attempt has to pass that was made last."""
    wait_until: int | None = None
    """When the attempt gives up waiting for a worker."""
    accepted: bool = False
    ref: Any = None
    """What the attempt is called where it was accepted."""
    lease_ms: int | None = None
    """For so long its worker may be silent, where it has the attempt on a lease."""
    losses: int = 0
    """How many attempts of its request were lost with their workers, and did not count for that."""
    failed_by: str | None = None
    """The worker with which an attempt of its request failed last without a word of it: lost, or timed out."""
    bound_to: str | None = None
    """The worker that its attempt was given to by hand."""
    avoid: str | None = None
    """The worker that its attempt was taken from by hand, where any other one may have it."""
    moves: int = 0
    """How often an attempt of it was taken from a worker by hand."""
    input_hash: str | None = None
    error: ErrorInfo | None = None
    failed_at: int | None = None
    """When it failed for good; a retry of the run begins anew."""
    report: Mapping[str, Any] | None = None
    """What its worker reported last."""
    heard_at: int | None = None
    interrupt: InterruptId | None = None
    """The one that is open."""
    interrupts: int = 0
    """How many it has opened."""
    resumes: int = 0
    """How often its worker was given the answer to a question."""
    resume: Any = None
    """The last of these answers."""
    question: Any = None
    """What its worker answered when it asked that question."""
    asked_at: int = 1
    """The first attempt of the request that counts: what was answered to an earlier one is known."""
    turns: list[Any] = field(default_factory=list)
    """The answers of an agent to its earlier turns, as they came."""
    said_by: str | None = None
    """The worker that answered last without the task being over by that, as long as no other one goes on with it."""
    spent: Usage = NO_USAGE
    """What its commits so far have used."""
    unpaid: Usage = NO_USAGE
    """What turns and failed attempts have used since then: it is counted with the next commit."""

    @property
    def requests(self) -> int:
        """How many requests came before the one that is open: turns, and questions that were answered."""
        return self.resumes + len(self.turns)

    @property
    def said_last(self) -> Any:
        """What its worker answered last without the task being over by that: a question, or a turn; None: nothing."""
        return self.question if self.question is not None or not self.turns else self.turns[-1]

    def ask_again(self) -> None:
        """Begin another request: what is answered to an earlier one from now on is late."""
        self.attempt += 1
        self.first_attempt = self.asked_at = self.attempt
        self.losses, self.failed_by, self.bound_to, self.avoid = 0, None, None, None
        self.accepted, self.deadline, self.reason, self.wait_until = False, None, None, None

    def wait_anew(self, at: int) -> None:
        """Forget what was found out about its attempt: it is made again from a time on."""
        self.accepted, self.deadline, self.reason, self.wait_until = False, None, None, None
        self.again_at = at

    def retry(self, seq: int, at: int) -> None:
        """Wait anew with a retry of its run, unless it is found out later that it waited for its time then."""
        if not self.retried or self.retried[-1][0] <= self.since:
            self.retried, self.again_before = (), self.again_at
        self.retried += ((seq, at),)
        self.wait_anew(at)

    def rebind(self, held_by: str, to: str | None, at: int) -> None:
        """Take its attempt from a worker, for the one that is named or for any other."""
        self.wait_anew(at)
        self.lease_ms, self.was_sent = None, False
        self.bound_to, self.avoid = to, held_by if to is None else None
        self.moves += 1

    def note_failure(self, *, counts: bool, failed_by: str | None) -> None:
        """Note that an attempt failed: one that does not count is none of those that the node allows. `failed_by` is
        its worker where nothing was heard of it; None: it has told an error."""
        self.bound_to = self.avoid = None
        self.failed_by = failed_by or self.failed_by
        if not counts:
            self.losses, self.first_attempt = self.losses + 1, self.first_attempt + 1

    def fail(self, commit: Commit) -> None:
        """Note that it failed for good, with a commit that says all there is to know of it."""
        self.attempt, self.worker, self.started_at = commit.attempt, commit.worker, commit.started_at
        self.error, self.failed_at = commit.error, commit.at

    def begin_again(self, seq: int) -> None:
        """Begin anew after a failure for good, by the retry of the run that a commit is."""
        self.attempt, self.failed_by = self.attempt + 1, None
        self.first_attempt, self.since, self.failed_at = self.attempt, seq, None
        self.worker = self.started_at = self.report = self.heard_at = None

    def begin_frame(self, attempt: int, seq: int, at: int) -> None:
        """Note that a subgraph runs its graph from a commit on: what came before plays no part any more."""
        self.status, self.attempt, self.since, self.due_at = TaskStatus.PENDING, attempt, seq, None
        self.started_at = self.started_at or at

    def take_turn(self, answer: Any, worker: str | None, usage: Usage, at: int) -> None:
        """Note the answer of a worker to a turn after which another one follows, and what it has used."""
        self.turns.append(answer)
        self.said_by = worker
        self.unpaid = self.unpaid.plus(usage)
        self.resume, self.question, self.again_at = None, None, at
        self.ask_again()

    def pay(self, usage: Usage) -> None:
        """Note what a commit has counted."""
        self.unpaid = NO_USAGE
        if usage is not NO_USAGE:
            self.spent = self.spent.plus(usage)

    @property
    def ready_at(self) -> int:
        """From when on its request could be made, or its attempt where that is another one."""
        return max(self.created_at, self.due_at or 0, self.again_at)

    @property
    def sleeps(self) -> bool:
        """Whether it waits for its time, and for nothing else."""
        return self.status is TaskStatus.WAITING and self.reason == TIMER


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """State that somebody wants written right after a node's next commit."""

    id: str
    node: str
    updates: Mapping[str, Any]
    actor: str
