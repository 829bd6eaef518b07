"""The places of runs among others: which run goes first where not all can go on at once."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from engine.kinds import RunStatus
from engine.values import dataclass

if TYPE_CHECKING:
    from engine.model import RunHead


class Reason(StrEnum):
    """Why a run is queued: its time has not come; another run of its session is not over, or goes first; another run
    has its concurrency key; as many runs are running as the server runs at once."""

    START_AT = "start_at"
    SESSION = "session"
    CONCURRENCY_KEY = "concurrency_key"
    MAX_RUNS = "max_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A run that is queued, or that others may have to wait for. Times are milliseconds since the epoch."""

    run_key: int
    status: RunStatus
    priority: int
    created_at: int
    concurrency_key: str | None = None
    start_at: int | None = None
    reason: str | None = None
    session: str | None = None


class Places(Protocol):
    """The part of the store that knows the places of runs."""

    async def active_runs(self) -> list[int]:
        """Keys of the runs that are running, and not held."""

    async def contenders(self) -> list[Contender]:
        """The runs that are queued, and those that have a concurrency key and are not over; none that is held. Of those
        that wait in sessions the ones with a time of their own. First created first."""


def contender_of(head: RunHead) -> Contender:
    """What a run's row says of its place."""
    return Contender(
        run_key=head.key, status=head.status, priority=head.priority, created_at=head.created_at,
        concurrency_key=head.concurrency_key, start_at=head.start_at, reason=head.reason,
        session=None if head.seat is None else head.seat.session,
    )  # fmt: skip


def contends(head: RunHead) -> bool:
    """Whether a run is queued for its time, or outside of sessions, or has a concurrency key that others wait for."""
    if head.hold is not None:
        return False
    if head.status is RunStatus.QUEUED:
        return head.seat is None or head.start_at is not None  # who is next in a session is found by that
    return head.concurrency_key is not None and head.status in (RunStatus.RUNNING, RunStatus.INTERRUPTED)
