"""Runs and their tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clew.models._base import Json, Model
from clew.models.artifacts import RunArtifacts
from clew.models.common import ErrorObject, Usage
from clew.models.interrupts import Interrupt

TERMINAL = frozenset({"completed", "failed", "cancelled"})
"""The statuses of a run that is over; a failed one may be retried."""


class Wants(Model):
    """What a worker has to have: all of the tags, and where they are given the id and the protocol."""

    tags: list[str] = []
    worker: str | None = None
    protocol: str | None = None


class Task(Model):
    """One activation of a node."""

    id: str
    node: str
    ns: list[str] = []
    index: int | None = None
    address: str
    status: str
    reason: str | None = None
    wants: Wants | None = None
    attempt: int
    worker_id: str | None = None
    input: Any = None
    output: Any = None
    answer: Any = None
    chosen: list[str] | None = None
    error: ErrorObject | None = None
    usage: Usage | None = None
    dispatch_id: str | None = None
    pending_ack: bool = False
    ack_deadline: datetime | None = None
    next_attempt_at: datetime | None = None
    progress: Json | None = None
    heard_at: datetime | None = None
    cached: bool = False
    reused: bool = False
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class TaskRecord(Task):
    """A task with how its attempts went, and the last 1000 lines of its log, oldest first."""

    attempts: list[Json] = []
    log: list[Json] = []
    workers: dict[str, str] = {}


class ForkedFrom(Model):
    """Where a fork comes from."""

    run_id: str
    checkpoint_id: str | None = None


class RunWebhook(Model):
    """Who is told of a run, and what became of the last notice."""

    url: str
    events: list[str] = []
    notice_id: str | None = None
    status: str | None = None
    attempts: int = 0
    last_error: str | None = None
    next_at: datetime | None = None


class RunSummary(Model):
    """A run as lists show it."""

    id: str
    workflow_id: str
    workflow_version: int
    status: str
    error: ErrorObject | None = None
    usage: Usage = Usage()
    metadata: Json = {}
    tags: list[str] = []
    parent_id: str | None = None
    session_id: str | None = None
    forked_from: ForkedFrom | None = None
    checkpoint_count: int = 0
    latest_checkpoint_id: str | None = None
    branch: str
    trigger: str = "api"
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    hold: str | None = None
    priority: int = 0
    concurrency_key: str | None = None
    start_at: datetime | None = None
    reason: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has completed, failed or been cancelled."""
        return self.status in TERMINAL

    @property
    def is_at_rest(self) -> bool:
        """Whether it is over, or waits for the answer to an interrupt."""
        return self.is_over or self.status == "interrupted"


class Run(RunSummary):
    """A run with its state, its open interrupts, its open tasks and the last 100 others."""

    input: Json = {}
    config: Json = {}
    state: Json = {}
    output: Any = None
    interrupts: list[Interrupt] = []
    tasks: list[Task] = []
    branches: list[Json] = []
    webhook: RunWebhook | None = None
    artifacts: RunArtifacts = RunArtifacts()


class BegunRun(Run):
    """A run on the line that a fork or replay has begun; `dropped` are the addresses of what had no place in it."""

    dropped: list[str] = []
