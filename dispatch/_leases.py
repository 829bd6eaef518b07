"""Leases: what holds only as long as something is heard of it, such as a task that a worker has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from dispatch._rate import Later, Timer

K = TypeVar("K", bound=str)


@dataclass(slots=True)
class Lease:
    """`until` is when it lapses, in milliseconds since the epoch."""

    lease_ms: int
    until: int
    timer: Timer


class Leases(Generic[K]):
    """`lapsed` is called when nothing was heard of something for as long as its lease allows. While they are
    `held`, nobody can be heard, and none lapses."""

    def __init__(
        self, clock: Callable[[], int], later: Later, lapsed: Callable[[K], None], held: Callable[[], bool]
    ) -> None:
        self._clock, self._later, self._lapsed, self._held = clock, later, lapsed, held
        self._leases: dict[K, Lease] = {}

    def begin(self, name: K, lease_ms: int) -> None:
        """A lease begins, or begins anew."""
        self.end(name)
        timer = self._later(lease_ms / 1000, lambda: self._due(name))
        self._leases[name] = Lease(lease_ms, self._clock() + lease_ms, timer)

    def extend(self, name: K) -> None:
        """Something was heard; no effect without a lease."""
        if (lease := self._leases.get(name)) is not None:
            lease.until = self._clock() + lease.lease_ms

    def end(self, name: K) -> None:
        """A lease is over. Idempotent."""
        if (lease := self._leases.pop(name, None)) is not None:
            lease.timer.cancel()

    def close(self) -> None:
        """Have none lapse any more."""
        for name in tuple(self._leases):
            self.end(name)

    def _due(self, name: K) -> None:
        lease = self._leases[name]
        if self._held():
            lease.until = self._clock() + lease.lease_ms
        left = lease.until - self._clock()
        if left > 0:
            lease.timer = self._later(left / 1000, lambda: self._due(name))
            return
        del self._leases[name]
        self._lapsed(name)
