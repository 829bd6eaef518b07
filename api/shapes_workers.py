"""What is answered about workers, as the API's description shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.shapes import Shape


class Promised(Shape):
    """The heartbeats that a worker promises."""

    heartbeat_ms: int


class Worker(Shape):
    """A registered worker."""

    id: str
    protocol: str
    url: str | None
    tags: list[str]
    max_concurrent: int
    model: str | None
    health: str | Promised | None
    status: str = Field(description="`active`, or `draining`: it gets nothing more.")
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    in_flight: int = Field(description="How many tasks it holds.")
    circuit: Literal["closed", "open", "half_open"] = Field(description="Whether tasks are sent to it.")
    away: bool = Field(description="Whether it is left alone until it is heard of.")
    reason: str | None = Field(description="Why it is away.")
    last_seen: datetime | None = Field(description="When it last sent a heartbeat or asked for tasks.")
    reported_status: str | None = Field(description="What it said last of itself, as its inventory and the others.")
    inventory: Any
    resources: Any
    metrics: Any


class RegisteredWorker(Worker):
    """A worker just registered, with its signing secret: this is the only time that it is shown."""

    secret: str


class Beaten(Shape):
    """The answer to a heartbeat of a worker."""

    accepted: Literal[True]
    status: str = Field(description="`draining`: the worker gets nothing more.")
    heartbeat_ms: int | None = Field(description="How often it has promised to say something.")


class Moved(Shape):
    """A task that was taken from a worker."""

    run_id: str
    task_id: str
    node: str
    worker_id: str = Field(description="Who had it.")


class Drained(Worker):
    """A worker that was drained, with what was taken from it."""

    handed_back: list[Moved]


class Rebound(Shape):
    """What was taken from workers; nothing where there was nothing to take."""

    items: list[Moved]
    drained: list[str] = Field(description="The workers that get nothing more.")
