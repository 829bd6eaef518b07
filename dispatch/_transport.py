"""What a protocol module provides, and what it is given: the way from a chosen worker to its reply.

A public module of this package is a protocol, by its name. It has `open_transport(tools: Tools) -> Transport` and
`check_address(address: str) -> str | None`, which says what is wrong with the `url` of a worker. One that reads more of
a worker, such as its `metadata`, has `check(worker) -> Iterable[Fault]`: what is wrong is told when the worker is
registered or changed, and not when it is to be asked. One whose workers are code that runs in this process sets
`IN_PROCESS = True`, one whose workers have no `url` sets `ADDRESSED = False`.
One whose workers say by themselves what they are has `introduce(http, clock, worker, before)`, which gives the worker
with what it says, and `needs_introduction(worker)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any, ClassVar, Protocol

from dispatch._asks import Asks
from dispatch._beats import Beats
from dispatch._callbacks import Callbacks
from dispatch._envelope import Envelope
from dispatch._http import Http
from dispatch._inbox import Inbox
from dispatch._presence import Presence
from engine.answer import NOTHING_TOLD, Told
from engine.model import ErrorInfo, TaskId
from engine.outbox import Accepted, Refused, Reply
from engine.ports import WorkerRow
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What transports share: the HTTP client, closed by whoever made it; the time in ms since the epoch; where what
    comes later is taken; who is away; a name of the server, the same after a restart, for what it alone reads; who asks
    for tasks; what workers say of themselves; and who waits to be called."""

    http: Http
    clock: Callable[[], int]
    inbox: Inbox
    presence: Presence
    server: str
    asks: Asks = field(default_factory=Asks)
    beats: Beats = field(default_factory=Beats)
    callbacks: Callbacks = field(default_factory=Callbacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerState:
    """A broker between the server and workers: whether it can be reached, as far as is known, and who is reached
    through it. `address` names it in logs and messages, without a password."""

    address: str
    here: bool
    workers: frozenset[str]


Taken = Callable[[Any], None]
"""Is told, once, that a worker has taken a task, and what it is called there: any JSON that is not null."""


class Transport(Protocol):
    """One way to reach workers."""

    correlates: ClassVar[bool] = False
    """Whether tasks carry a `correlation_id`, since answers come by another way than an address."""

    answers_stay: ClassVar[bool] = False
    """Whether what was answered to the question of a worker is of use to that one alone."""

    ack_ms: int | None = None
    """Within so many milliseconds a delivery is accepted, or has failed; None where it has all the time of its task."""

    async def deliver(self, worker: WorkerRow, task: Envelope, timeout_s: float) -> Reply:
        """Bring a task to the worker and wait for what it says at once: Accepted where it answers later.

        The caller ends the wait after `timeout_s` by cancelling; nothing may be left behind then. Unreachable is for
        attempts of which the worker has seen nothing; every other failure is a Refused.
        """

    async def attend(self, worker: WorkerRow, task: Envelope, timeout_s: float, taken: Taken) -> Reply:
        """Deliver a task, and stay with it where the protocol can follow what becomes of it: `taken` is called once
        the worker has it for sure, from when on it is not sent again, and the reply is the answer. Else as `deliver`.
        """
        return await self.deliver(worker, task, timeout_s)

    async def resume(self, worker: WorkerRow, task: Envelope, timeout_s: float, ref: Any) -> Reply:
        """Stay again, after a restart, with a task that was taken as `ref`. Nothing was sent of it since."""
        return Accepted()

    def prepare(self, worker: WorkerRow, task: Envelope) -> None:
        """Work out, while there is time for it, what `deliver` needs to know of a long body; it may never come."""
        return None

    async def cancel(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """Tell a worker that nobody wants its answer to a task any more, where it can be told. The caller ends the
        wait; a delivery that is under way was cancelled before. Raises nothing for a worker that cannot be reached."""
        return None

    async def rebind(self, worker: WorkerRow, task_id: TaskId, message_id: str) -> None:
        """The same where another worker gets the task."""
        await self.cancel(worker, task_id, message_id)

    async def dismiss(self, worker: WorkerRow, task_id: TaskId, said: Any) -> None:
        """Tell a worker that nobody goes on with what it said last in a task that it does not hold, such as a question,
        where it waits for that. `said` is its answer as it came. The caller ends the wait. Raises nothing for a worker
        that cannot be reached."""
        return None

    async def gone_on(self, worker: WorkerRow, said: Any) -> bool:
        """Wait until a worker has gone on by itself which said that it needs a right, since that was given elsewhere.
        `said` is its answer as it came. False, at once, where that cannot be known."""
        return False

    def reply_to(self, worker: WorkerRow, correlation_id: str, url: str) -> str:
        """Where a worker may answer a request later; `url` is the address for those that speak HTTP."""
        return url

    def serve(self, workers: Sequence[WorkerRow]) -> None:
        """Learn which workers of this protocol are registered now, by id; called first when the server begins."""
        return None

    def brokers(self) -> Sequence[BrokerState]:
        """The brokers through which registered workers are reached now; none where they are reached otherwise."""
        return ()

    async def close(self) -> None:
        """Release what the transport holds; idempotent."""
        return None


def refused(
    code: str,
    message: str,
    *,
    retryable: bool | None = None,
    retry_after_ms: int | None = None,
    transport: bool = False,
    timed_out: bool = False,
    details: Any = None,
    told: Told = NOTHING_TOLD,
) -> Refused:
    """A failed attempt, with its error object, and what was told beside that."""
    return Refused(
        error=ErrorInfo(code=code, message=message, retryable=retryable, details=details),
        retryable=retryable,
        retry_after_ms=retry_after_ms,
        transport=transport,
        told=told,
        timed_out=timed_out,
    )
