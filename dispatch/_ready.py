"""Envelopes that are written and signed before they may be sent, for what carries much."""

from __future__ import annotations

from collections.abc import Callable

from dispatch._envelope import Envelope, envelope
from dispatch._transport import Transport
from engine.codec import CodecError
from engine.model import TaskId
from engine.outbox import Work
from engine.ports import WorkerRow

MUCH = 64 * 1024
"""From so many bytes of lists on an attempt is made ready while what it waits for becomes durable."""
FRESH_MS = 1000
"""For so long its deadline counts."""


def sealed(work: Work, worker: WorkerRow, transport: Transport, deadline: int, url: str) -> Envelope:
    """The envelope of an attempt for a worker, as its transport wants it. Raises CodecError."""
    reply_to = transport.reply_to(worker, work.correlation_id, url)
    return envelope(work, deadline, reply_to, correlates=transport.correlates)


class Ready:
    """What was made ready, by task. `reply_to` is the address at which a worker may answer later."""

    def __init__(self, reply_to: Callable[[Work], str]) -> None:
        self._reply_to = reply_to
        self._made: dict[TaskId, tuple[Work, WorkerRow, int, Envelope]] = {}

    @staticmethod
    def is_worth_it(work: Work) -> bool:
        """Whether an attempt carries much."""
        return sum(len(piece) for pieces in work.encoded.values() for piece in pieces) >= MUCH

    def make(self, work: Work, worker: WorkerRow, transport: Transport, at: int) -> None:
        """Write and sign the envelope of an attempt, for a worker."""
        deadline = at + work.timeout_ms
        try:
            made = sealed(work, worker, transport, deadline, self._reply_to(work))
        except CodecError:  # it is told where it is sent
            return
        transport.prepare(worker, made)
        self._made[work.task_id] = (work, worker, deadline, made)

    def take(self, work: Work, worker: WorkerRow, at: int) -> tuple[Envelope | None, int]:
        """The envelope of an attempt that is sent to a worker now, if there is one for that, and its deadline."""
        known, to, deadline, made = self._made.pop(work.task_id, (None, None, 0, None))
        if known is not work or to is not worker or at + work.timeout_ms - deadline > FRESH_MS:
            return None, at + work.timeout_ms
        return made, deadline

    def forget(self, task_id: TaskId, *, but: Work | None = None) -> None:
        """Let go of what was made for a task, where it is not for this attempt; idempotent."""
        if task_id in self._made and self._made[task_id][0] is not but:
            del self._made[task_id]
