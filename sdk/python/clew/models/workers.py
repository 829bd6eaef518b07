"""Workers, and tasks that have failed for good."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from clew.models._base import Json, Model
from clew.models.common import ErrorObject


class RegisteredAs(Model):
    """A worker as the server knows it. Its token, headers and secret are never told."""

    id: str
    protocol: str
    url: str | None = None
    tags: list[str] = []
    max_concurrent: int = 1
    model: str | None = None
    health: str | Json | None = None
    status: str
    metadata: Json = {}
    created_at: datetime
    updated_at: datetime
    in_flight: int = 0
    circuit: str = "closed"
    away: bool = False
    reason: str | None = None
    last_seen: datetime | None = None
    reported_status: str | None = None
    inventory: Any = None
    resources: Any = None
    metrics: Any = None


class NewlyRegistered(RegisteredAs):
    """A worker just registered. `secret` signs what is sent to it, and is shown this once."""

    secret: str


class Beaten(Model):
    """The answer to a heartbeat. `status` is `draining` for a worker that gets nothing more."""

    accepted: bool
    status: str
    heartbeat_ms: int | None = None


class RateLimit(Model):
    """What a worker last said of its own rate limit."""

    worker_id: str
    remaining: int | None = None
    limit: int | None = None
    reset_ms: int | None = None
    reported_at: datetime
    resets_at: datetime | None = None


class DeadLetter(Model):
    """A task that has failed for good; its id is that of the checkpoint of the failure."""

    id: str
    run_id: str
    workflow_id: str
    node: str
    task_id: str
    index: int | None = None
    attempt: int
    worker_id: str | None = None
    error: ErrorObject
    status: str
    created_at: datetime
    redriven_at: datetime | None = None
