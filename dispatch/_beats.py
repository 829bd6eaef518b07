"""What workers say of themselves in heartbeats, and which have promised to and are silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from dispatch._leases import Leases
from dispatch._rate import Later, Timer
from dispatch._resources import resource_ids
from engine.codec import loads
from engine.ports import WorkerRow
from engine.values import dataclass, replace

MISSED = 3
"""A worker that has missed so many heartbeats is away."""
DRAINING = "draining"
"""A worker that says so of itself gets nothing more."""
DRAINS = "it says that it is draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker said last; `at` is when it was seen last, in milliseconds since the epoch."""

    at: int
    status: str | None = None
    inventory: Any = None
    resources: Any = None
    metrics: Any = None


def promise_of(worker: WorkerRow) -> int | None:
    """How often a worker has promised a heartbeat, in milliseconds; None where it has not."""
    if worker.health is None or not worker.health.startswith("{"):
        return None
    found = loads(worker.health).get("heartbeat_ms")
    return found if isinstance(found, int) else None


class Beats:
    """Kept in memory: after a restart each worker has three heartbeats' time to say something."""

    def __init__(self, clock: Callable[[], int] | None = None, later: Later | None = None) -> None:
        self._clock = clock or _wall_clock
        self._rows: dict[str, WorkerRow] = {}
        self._beats: dict[str, Beat] = {}
        self._silent: set[str] = set()
        self._due: Leases[str] = Leases(self._clock, later or call_later, self._missed, lambda: False)
        self._owners: dict[str, str] = {}
        self._on_away: Callable[[str, str | None, bool], None] = lambda worker_id, why, lost: None
        self._on_owners: Callable[[Mapping[str, str]], None] = lambda owners: None

    def listen(
        self, away: Callable[[str, str | None, bool], None], owners: Callable[[Mapping[str, str]], None]
    ) -> None:
        """Have `away(worker_id, why, lost)` called when a worker is away (lost: so is what it held) or back (no why),
        and `owners` when it has changed who has which resource."""
        self._on_away, self._on_owners = away, owners

    def set_workers(self, workers: Mapping[str, WorkerRow]) -> None:
        """Replace the registered workers; one whose promise is new begins to count from now."""
        for gone in self._rows.keys() - workers.keys():
            self._due.end(gone)
            self._silent.discard(gone)
            self._beats.pop(gone, None)
            self._on_away(gone, None, False)
        for row in workers.values():
            promise, known = promise_of(row), self._rows.get(row.id)
            if promise is None:
                self._due.end(row.id)
                self._speak(row.id)
            elif known is None or promise_of(known) != promise:
                self._due.begin(row.id, MISSED * promise)
        self._rows = dict(workers)
        self._own()

    def knows(self, worker_id: str) -> WorkerRow | None:
        """A worker that is registered."""
        return self._rows.get(worker_id)

    def beat(self, worker_id: str, said: Mapping[str, Any]) -> None:
        """A worker says something of itself; what it leaves out stays as it was."""
        before = self._beats.get(worker_id)
        beat = self._beats[worker_id] = replace(before or Beat(at=0), at=self._clock(), **said)
        promise = promise_of(self._rows[worker_id]) if worker_id in self._rows else None
        if promise is not None:
            self._due.begin(worker_id, MISSED * promise)
        self._silent.discard(worker_id)
        self._on_away(worker_id, self.away(worker_id), False)
        if before is None or before.resources != beat.resources:
            self._own()

    def seen(self, worker_id: str) -> None:
        """A worker was heard of, as if it had sent an empty heartbeat."""
        self.beat(worker_id, {})

    def last(self, worker_id: str) -> Beat | None:
        """What a worker said last."""
        return self._beats.get(worker_id)

    def away(self, worker_id: str) -> str | None:
        """Why a worker is left alone, in words; None where it is there."""
        if worker_id in self._silent:
            return f"it has missed {MISSED} heartbeats"
        beat = self._beats.get(worker_id)
        return DRAINS if beat is not None and beat.status == DRAINING else None

    def close(self) -> None:
        """Miss none any more."""
        self._due.close()

    def _missed(self, worker_id: str) -> None:
        self._silent.add(worker_id)
        self._on_away(worker_id, self.away(worker_id), True)

    def _speak(self, worker_id: str) -> None:
        if worker_id in self._silent:
            self._silent.discard(worker_id)
            self._on_away(worker_id, self.away(worker_id), False)

    def _own(self) -> None:
        owners = {
            name: worker_id
            for worker_id, beat in self._beats.items()
            for name in resource_ids(beat.resources)
            if worker_id in self._rows
        }
        if owners != self._owners:
            self._owners = owners
            self._on_owners(owners)


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


def call_later(seconds: float, call: Callable[[], None]) -> Timer:
    """Has something called after so many seconds."""
    return asyncio.get_running_loop().call_later(seconds, call)
