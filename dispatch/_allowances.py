"""How many more tasks workers may be sent, by what they say of their rate limits."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from dispatch._rate import Later, Timer
from engine.answer import RateLimit, rate_limit_of
from engine.outbox import Answered, Rate, Refused, Reply

UNSAID_MS = 60_000
"""For so long a report counts that does not say when the limit is reset: most limits are those of a minute."""
LONGEST_MS = 3_600_000
"""No report counts for longer: what it said may be wrong by then."""


def said_in(reply: Reply) -> RateLimit | None:
    """What a worker says of its rate limit in a reply."""
    if isinstance(reply, Answered):
        return rate_limit_of(reply.body)
    return reply.told.rate_limit if isinstance(reply, Refused) else None


@dataclass(slots=True)
class Allowance:
    """So many tasks may still be sent until a time, in milliseconds since the epoch."""

    left: int
    until: int


class Allowances:
    """Kept in memory, by the ids of workers. `spent` are those that get nothing now; `back` is called when one of them
    may be asked again. What is sent after a report counts against what that left."""

    def __init__(self, later: Later, back: Callable[[], None]) -> None:
        self._later, self._back = later, back
        self.rates: dict[str, Rate] = {}
        self.spent: dict[str, Timer] = {}
        self._allowed: dict[str, Allowance] = {}
        self._closed = False

    def report(self, worker_id: str, limit: RateLimit, now: int) -> bool:
        """Take up what a worker says, in place of what it said before; True if it is left alone unlike before, or no
        longer."""
        was_spent = worker_id in self.spent
        self._lift(worker_id)
        self.rates[worker_id] = Rate(limit=limit, at=now)
        counts_ms = UNSAID_MS if limit.reset_ms is None else min(limit.reset_ms, LONGEST_MS)
        if limit.remaining is not None and counts_ms > 0:
            self._allowed[worker_id] = Allowance(limit.remaining, now + counts_ms)
            self._look_at(worker_id, now)
        return was_spent is not (worker_id in self.spent)

    def sent(self, worker_id: str, now: int) -> None:
        """A worker gets a task."""
        allowed = self._allowed.get(worker_id)
        if allowed is None:
            return
        allowed.left -= 1
        self._look_at(worker_id, now)

    def keep(self, worker_ids: Collection[str]) -> None:
        """Forget what all but these have said."""
        for gone in [name for name in self.rates if name not in worker_ids]:
            del self.rates[gone]
            self._lift(gone)

    def close(self) -> None:
        """Stop all timers, and start none any more."""
        self._closed = True
        for timer in self.spent.values():
            timer.cancel()

    def _look_at(self, worker_id: str, now: int) -> None:
        allowed = self._allowed[worker_id]
        if now >= allowed.until:
            del self._allowed[worker_id]
        elif allowed.left <= 0 and worker_id not in self.spent and not self._closed:
            self.spent[worker_id] = self._later((allowed.until - now) / 1000, partial(self._reset, worker_id))

    def _reset(self, worker_id: str) -> None:
        self._lift(worker_id)
        self._back()

    def _lift(self, worker_id: str) -> None:
        self._allowed.pop(worker_id, None)
        if (timer := self.spent.pop(worker_id, None)) is not None:
            timer.cancel()
