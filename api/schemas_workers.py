"""What workers ask for, and say of themselves."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas import Asked, Id, Object
from dispatch._ws_frames import WorkerId

MAX_LEASED = 100
MAX_WAIT_MS = 60_000
LEASE_MS = 30_000


class Promised(Asked):
    """Promises heartbeats: a worker that misses three is left alone, and what it holds goes to others."""

    heartbeat_ms: int = Field(ge=100, le=3_600_000)


class WorkerFields(Asked):
    """What is known of a worker. `token`, `secret` and `headers` are never returned."""

    url: str | None = Field(default=None, max_length=4000)
    tags: list[Id] = Field(default_factory=list, max_length=1000)
    max_concurrent: int = Field(default=1, ge=1, le=100_000)
    token: str | None = Field(default=None, min_length=1, description="Sent as bearer token to the worker.")
    secret: str | None = Field(default=None, min_length=1, description="Signs requests; made where it is not given.")
    model: str | None = None
    headers: dict[str, str] | None = Field(default=None, description="Sent along with every request.")
    health: str | Promised | None = Field(
        default=None, description="An address that says whether it is well, or the heartbeats that it promises."
    )
    metadata: Object = Field(default_factory=dict)


class NewWorker(WorkerFields):
    """Registers a worker."""

    id: WorkerId
    protocol: str


class ChangedWorker(WorkerFields):
    """Changes the fields that are given, and no others."""

    protocol: str = Field(default="", description="Stays as it is where absent.")


class Beat(Asked):
    """What a worker says of itself; what it leaves out stays as it was."""

    status: str | None = Field(default=None, max_length=200, description="`draining`: it takes nothing more.")
    inventory: Any = Field(default=None, description="What it can do: handlers, packages, models.")
    resources: Any = Field(
        default=None,
        description="What it alone has: a list of ids, or of objects with `resource_id`; or an object with `items`.",
    )
    metrics: Any = Field(default=None, description="How it is: load, memory, disk.")


class NamedBeat(Beat):
    """What a worker says of itself, named in the body."""

    worker_id: WorkerId


class DrainWorker(Asked):
    """Has a worker get nothing more, or get tasks again."""

    draining: bool = True
    mode: Literal["finish", "hand_back"] = Field(
        default="finish", description="`hand_back`: what it holds is taken back, and goes to others."
    )


class RebindRun(Asked):
    """Takes tasks of a run from the workers that hold them, and gives them to others."""

    worker_id: WorkerId | None = Field(default=None, description="Who gets them; anybody else that fits where absent.")
    node: Id | None = Field(default=None, description="Only the tasks of this node.")
    held_by: WorkerId | None = Field(default=None, description="Only what this worker holds.")
    drain: bool = Field(default=False, description="Drains the workers that they are taken from.")


class AskedLease(Asked):
    """Asks for tasks, for a worker that is registered or for anybody who has these tags."""

    worker_id: WorkerId | None = Field(
        default=None, description="A registered worker of the protocol `pull`: its own tags and `max_concurrent` count."
    )
    tags: list[Id] = Field(default_factory=list, max_length=1000, description="Of a worker that is not registered.")
    max: int = Field(default=1, ge=1, le=MAX_LEASED, description="So many tasks at most.")
    wait: float | None = Field(
        default=None,
        ge=0,
        le=MAX_WAIT_MS / 1000,
        allow_inf_nan=False,
        description="How many seconds to wait for the first one.",
    )
    wait_ms: int = Field(default=0, ge=0, le=MAX_WAIT_MS, description="The same in milliseconds, instead of `wait`.")
    lease_ms: int = Field(
        default=LEASE_MS, ge=100, le=3_600_000, description="For so long a task is held without a word."
    )

    @model_validator(mode="after")
    def _waits_once(self) -> Self:
        if self.wait is not None and "wait_ms" in self.model_fields_set:
            raise PydanticCustomError("two_ways", "give `wait` or `wait_ms`, not both")
        return self

    @property
    def patience_s(self) -> float:
        """For so many seconds the worker waits for the first task."""
        return self.wait_ms / 1000 if self.wait is None else self.wait
