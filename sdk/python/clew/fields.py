"""The fields that calls take by name, as the interface has them. What is not given is left to the server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypedDict

from clew.models import Json

Status = Literal["queued", "running", "interrupted", "completed", "failed", "cancelled"]


class Webhook(TypedDict, total=False):
    """Who is told when a run ends."""

    url: str
    secret: str
    events: list[str]


class RunFields(TypedDict, total=False):
    """What a run may be started with, beside its input."""

    config: Json
    version: int
    interrupt_before: list[str]
    interrupt_after: list[str]
    webhook: Webhook | str
    priority: int
    concurrency_key: str
    start_at: datetime | str
    session_id: str
    on_busy: Literal["reject", "enqueue", "cancel", "interrupt"]
    metadata: Json
    tags: list[str]


class RunFilters(TypedDict, total=False):
    """Which runs are meant."""

    status: Status | Sequence[Status]
    workflow_id: str
    tag: str
    created_after: datetime | str
    created_before: datetime | str
    parent_id: str
    session_id: str
    q: str


class LineFields(TypedDict, total=False):
    """How a run goes on from a checkpoint."""

    updates: Json
    goto: str | list[str]
    workflow_version: int
    reuse: Literal["unchanged"]
    reuse_interrupts: bool


class ForkFields(LineFields, total=False):
    """How a new run begins at a checkpoint."""

    config: Json
    webhook: Webhook | str


class WorkerFields(TypedDict, total=False):
    """What is known of a worker. `token`, `secret` and `headers` are never told again."""

    url: str | None
    tags: list[str]
    max_concurrent: int
    token: str | None
    secret: str | None
    model: str | None
    headers: dict[str, str]
    health: str | None
    metadata: Json


class BulkFields(LineFields, total=False):
    """How many runs are dealt with; only forks take more than `config`."""

    config: Json
    checkpoint: Literal["last_good", "first", "last"]


class BulkFilter(TypedDict, total=False):
    """Which runs a job is for: filters, or `ids` alone."""

    status: list[Status]
    workflow_id: str
    tag: str
    created_after: str
    created_before: str
    parent_id: str
    session_id: str
    q: str
    metadata: dict[str, str]
    ids: list[str]


Action = Literal["fork", "retry", "cancel", "delete"]
Mode = Literal["values", "updates", "tasks", "custom", "debug"]
