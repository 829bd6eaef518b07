"""Jobs: one action on many runs, done bit by bit in the background, and never twice on one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field
from enum import StrEnum
from typing import Any, Protocol

from engine.claims import Claim
from engine.model import TERMINAL, RunHead, RunId, RunStatus
from engine.values import dataclass


class Action(StrEnum):
    """What is done with each run."""

    FORK = "fork"
    RETRY = "retry"
    CANCEL = "cancel"
    DELETE = "delete"


class Start(StrEnum):
    """Where runs are forked: before the failure that they ended with (those that have none: at their newest
    checkpoint), at their first checkpoint, or at their newest one."""

    LAST_GOOD = "last_good"
    FIRST = "first"
    LAST = "last"


class JobStatus(StrEnum):
    """Statuses of a job."""

    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class ItemStatus(StrEnum):
    """Statuses of a run of a job; one is left out where the job was cancelled before its turn."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job. `asked` is what was asked, as JSON; `total` counts its runs, `done` and `failed` those that are over.
    Times are milliseconds since the epoch."""

    id: str
    action: Action
    asked: Any
    status: JobStatus
    total: int
    done: int = 0
    failed: int = 0
    actor: str = "api"
    created_at: int
    updated_at: int
    ended_at: int | None = None

    @property
    def left(self) -> int:
        """How many runs are still to be dealt with."""
        return self.total - self.done - self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class JobItem:
    """One run of a job. `made` is the run that came of a fork."""

    job_id: str
    run_key: int
    run_id: RunId
    status: ItemStatus = ItemStatus.PENDING
    made: RunId | None = None
    error_code: str | None = None
    error: str | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How each run is dealt with: where it is forked and what the fork is to be, as of a fork of one run; a retry takes
    the `config` alone."""

    start: Start = Start.LAST_GOOD
    updates: Mapping[str, Any] = field(default_factory=dict)
    goto: tuple[str, ...] | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    reuse: bool = False
    reuse_interrupts: bool = False

    def as_json(self) -> dict[str, Any]:
        """What is kept of it with the job."""
        return {**asdict(self), "start": self.start.value, "goto": None if self.goto is None else list(self.goto)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Plan:
        """The plan that was kept."""
        goto = kept["goto"]
        return cls(**{**kept, "start": Start(kept["start"]), "goto": None if goto is None else tuple(goto)})


@dataclass(frozen=True, slots=True)
class Target:
    """A run that a job is to deal with."""

    run_key: int
    run_id: RunId


class Jobs(Protocol):
    """The part of the store that keeps them. What becomes of an item is written with what is done to its run, by
    `Batch.items`; the job that it was the last one of is completed with it."""

    async def create_job(self, job: Job, targets: Sequence[Target], claim: Claim | None = None) -> None:
        """Write a job with its runs and the key that it was asked with, in one transaction."""

    async def job(self, job_id: str) -> Job | None: ...

    async def jobs(self, status: str | None, limit: int, cursor: str | None) -> tuple[tuple[Job, ...], str | None]:
        """Newest first, and the cursor of the next page. Raises Invalid for a cursor that is none of ours."""

    async def job_items(
        self, job_id: str, status: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[JobItem, ...], str | None]:
        """The runs of a job in the order in which they are dealt with, and the cursor of the next page."""

    async def cancel_job(self, job_id: str, at: int) -> bool:
        """Leave out what a running job has not dealt with; False where it is over."""


def refusal(action: Action, head: RunHead) -> str | None:
    """Why an action cannot be done to a run as it stands, or None. What else stands against it shows in the doing."""
    if action is Action.RETRY and head.status is not RunStatus.FAILED:
        return f"the run is {head.status}, and only failed runs are retried"
    if action is Action.CANCEL and head.status in TERMINAL:
        return f"the run is {head.status} already"
    if action is Action.DELETE and head.status not in TERMINAL and head.hold is None:
        return f"the run is {head.status}; cancel it before you delete it"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a job would do: how many runs it would deal with, and of the first ones which could not be dealt with."""

    total: int
    runs: tuple[RunId, ...]
    refused: dict[RunId, str] = field(default_factory=dict)
