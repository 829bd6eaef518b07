"""How the engine hands tasks to workers: what it gives to the outbox, and what it is told back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from engine.answer import NOTHING_TOLD, RateLimit, Told
from engine.encoding import Pieces
from engine.limits import NO_LIMITS, Limits, Room
from engine.model import ErrorInfo, RunId, TaskId
from engine.values import dataclass
from engine.view import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One attempt of a task, as it is handed to the outbox.

    `accepted_by` names the worker that had accepted this attempt before a restart: it is not sent again, but holds a
    slot until its `deadline` (milliseconds since the epoch). `secret` authorises the answer at `reply_to`.
    """

    run_id: RunId
    task_id: TaskId
    workflow_id: str
    workflow_version: int
    node: str
    attempt: int
    ns: tuple[str, ...] = ()
    """The subgraph nodes around the node, outermost first."""
    request: Request
    tags: tuple[str, ...] = ()
    worker: str | None = None
    protocol: str | None = None
    timeout_ms: int = 900_000
    secret: str = ""
    accepted_by: str | None = None
    accepted_ref: Any = None
    """What it is called there."""
    deadline: int | None = None
    lease_ms: int | None = None
    """For so long it holds it without a word, where it was leased; that begins anew after a restart."""
    priority: int = 0
    since: int = 0
    """From when on the attempt could be made, in milliseconds since the epoch."""
    limits: Limits = NO_LIMITS
    resume: Any = None
    """What somebody answered to the question that the worker had asked."""
    resumes: int = 0
    """How often the task was resumed."""
    question: Any = None
    """The answer with which the worker asked that question, as it came."""
    input_hash: str = ""
    """The hash of what the worker is asked first."""
    turn: int = 1
    """Which turn of an agent it is."""
    said: tuple[tuple[str | None, Any], ...] = ()
    """The turns before: the prompt of each, and its answer as it came."""
    session: str | None = None
    """The session that the run belongs to."""
    prefers: str | None = None
    """The protocol of the workers that are asked first."""
    served_by: tuple[str, ...] = ()
    """The workers that are asked before others while they have room, the best first: who had the requests before, who
    has served the session."""
    failed_by: str | None = None
    """The worker with which the attempt before was lost, or came to nothing in time: others that have room are asked
    before it, whoever has served the task."""
    avoid: str | None = None
    """The worker that the attempt was taken from."""
    encoded: Mapping[str, Pieces] = field(default_factory=dict)
    """The JSON of values of `request.state`, by key, where it is known already."""

    @property
    def names(self) -> dict[str, str]:
        """What the log says of whatever concerns it."""
        return _names(self.run_id, self.task_id, self.node)

    @property
    def message_id(self) -> str:
        """What names the request: the same for all its attempts, another for each request of a task."""
        later = self.resumes or self.turn > 1
        return f"{self.task_id}.{self.turn}.{self.resumes}" if later else self.task_id

    @property
    def correlation_id(self) -> str:
        """What names the request, and authorises its answer, where that comes by another way than an address."""
        return f"{self.task_id}.{self.secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A task that no worker has, and that begins once it has its room; it is behind the gates of that until it moves
    out. `since` is from when on it could begin, in milliseconds since the epoch."""

    run_key: int
    run_id: RunId
    task_id: TaskId
    room: Room
    priority: int = 0
    since: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The worker answered: `body` is whatever JSON it sent, or text where it was none; `raw` is the JSON text that it
    was read from, where there is one."""

    body: Any
    raw: bytes | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The worker took the task and will answer at `reply_to`, or its transport stays with it.

    Where it has it on a lease, it is lost once nothing was heard of it for `lease_ms`. `ref`, any JSON that is not
    null, is what the task is called there: it is written down with the acceptance, so that the transport finds the task
    again after a restart. It is shown to nobody, and is no secret.
    """

    lease_ms: int | None = None
    ref: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The attempt failed. `retryable` None: nobody said. `retry_after_ms`: the worker asked to wait that long.

    `transport` tells a failure of the way to the worker (connect, read, time-out, 502, 503, 504) from one that the
    worker reported. `timed_out`: the worker had the task for sure, and nothing came of it in time. `told` is what came
    along with it: it counts although the attempt failed.
    """

    error: ErrorInfo
    retryable: bool | None = None
    retry_after_ms: int | None = None
    transport: bool = False
    told: Told = NOTHING_TOLD
    timed_out: bool = False

    @property
    def elsewhere(self) -> bool:
        """Whether the next attempt is better made by another worker."""
        return self.transport or self.timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """No connection could be made and nothing was sent: the attempt is not used up."""

    message: str


LOST = "worker.lost"
"""The code of attempts whose worker was not heard of any more."""

Reply = Answered | Accepted | Refused | Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a worker last said of its own rate limit, and when (milliseconds since the epoch)."""

    limit: RateLimit
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a worker stands: tasks that it holds, what its circuit lets through, and why it is left alone, if it is."""

    in_flight: int = 0
    circuit: str = "closed"
    away: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A task that a worker holds."""

    run_id: RunId
    task_id: TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """What a worker said last in a task that it does not hold: `said` is its answer as it came."""

    run_id: RunId
    task_id: TaskId
    node: str
    worker: str
    said: Any

    @property
    def names(self) -> dict[str, str]:
        """What the log says of whatever concerns it."""
        return _names(self.run_id, self.task_id, self.node)


def _names(run_id: RunId, task_id: TaskId, node: str) -> dict[str, str]:
    return {"run_id": run_id, "task_id": task_id, "node": node}


class Listener(Protocol):
    """Who is told what becomes of submitted work: the driver. Calls come on the event loop and never block."""

    def dispatched(self, work: Work, worker_id: str, at: int, deadline: int, ack_by: int | None = None) -> None:
        """The attempt is being sent to this worker now; its deadline is `deadline`, and where it has to be accepted
        before, `ack_by`."""

    def waiting(self, work: Work, reason: str) -> None:
        """No worker can take the task (`no_worker`: none carries the tags, `capacity`, `unreachable`, `rate_limit`), or
        it has to wait for its turn (a LimitReason)."""

    def replied(self, work: Work, worker_id: str, reply: Reply) -> None:
        """What came back for this attempt. After Accepted the slot stays taken until `release`."""

    def moved_in(self, stay: Stay) -> None:
        """The task has its room, until it moves out."""

    def kept_out(self, stay: Stay, reason: str, passed: int) -> None:
        """The task has to wait for its room (a LimitReason), and has passed so many of its gates."""


class Outbox(Protocol):
    """Chooses workers, keeps their capacity, delivers; work that finds no worker waits for an event."""

    def listen(self, listener: Listener) -> None: ...

    def prepare(self, work: Work) -> None:
        """Make ready what takes long of an attempt that is to be submitted once something is durable. Nothing is sent,
        and it may be that nothing of it is used."""

    def submit(self, work: Work) -> None:
        """Take an attempt; reports through the listener. A task has one attempt under way at most."""

    def release(self, task_id: TaskId) -> None:
        """The attempt is over, timed out or not wanted any more: abort its delivery, free its slot. Idempotent."""

    def cancel(self, task_id: TaskId) -> None:
        """Nobody wants the answer any more: as `release`, and a worker that holds the attempt is told, where its
        protocol has a way to. Nothing is heard of that. Idempotent."""

    def rebind(self, task_id: TaskId) -> None:
        """As `cancel`, where another worker gets the task. Idempotent."""

    def move_in(self, stay: Stay, *, here: bool = False) -> None:
        """Have a task take its turn for its room, which the listener is told, again where it was told before. `here`:
        it has it already, whatever others have, since a time before a restart."""

    def move_out(self, task_ids: Iterable[TaskId]) -> None:
        """These tasks are over, or do not want their rooms any more. Idempotent."""

    def move_out_of(self, run_id: RunId, but: Collection[TaskId] = ()) -> None:
        """The same of all tasks of a run but these."""

    def dismiss(self, left: Unanswered) -> None:
        """Nobody goes on with what a worker said last, as with a question: it is told, where its protocol has a way to.
        Nothing is heard of that."""

    async def gone_on(self, worker_id: str, said: Any) -> bool:
        """Wait until a worker has gone on by itself that said it needs a right; False where that cannot be known."""

    def withdraw(self, task_id: TaskId) -> None:
        """Forget an attempt that no worker holds yet; one that is under way goes on. Idempotent."""

    def hold(self, held: bool) -> None:
        """Begin no delivery from now on, or begin them again; what is under way goes on."""

    @property
    def in_line(self) -> int:
        """How many attempts wait for a worker, or for their turn."""

    @property
    def under_way(self) -> int:
        """How many attempts a worker is being asked."""

    @property
    def in_flight(self) -> int:
        """How many attempts workers hold or are being asked, any of which may be answered next."""

    def open(self) -> None:
        """What workers held before has been submitted: from now on work may begin that has limits."""

    def workers_changed(self, workers: Mapping[str, Any]) -> None:
        """The registered workers (id → WorkerRow) have changed: what waits is looked at again."""

    def alive(self, task_id: TaskId) -> None:
        """The worker that holds an attempt is at it still; no effect where none is leased."""

    def rated(self, worker_id: str, limit: RateLimit) -> None:
        """A worker has said what its rate limit is, in an answer that was not the reply to a delivery; once it has been
        sent what was left, it is left alone until that is reset."""

    def standing(self, worker_id: str) -> Standing:
        """How a worker stands."""

    def held_by(self, worker_id: str) -> Sequence[Held]:
        """What a worker holds."""

    def why_not(self, task_id: TaskId) -> Mapping[str, str]:
        """Why the workers cannot take a task that waits for one, in words, by id."""

    def rates(self) -> Mapping[str, Rate]:
        """What workers have said of their rate limits, by worker id."""

    async def close(self, grace_s: float) -> None:
        """Stop taking work, give deliveries under way `grace_s` seconds, then abort them."""
