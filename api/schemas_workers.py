"""What workers ask for, and say of themselves."""

from __future__ import annotations

from pydantic import Field

from api.schemas import Asked, Id, WorkerId

MAX_LEASED = 100
MAX_WAIT_MS = 60_000
LEASE_MS = 30_000


class AskedLease(Asked):
    """Asks for tasks, for a worker that is registered or for anybody who has these tags."""

    worker_id: WorkerId | None = Field(
        default=None, description="A registered worker of the protocol `pull`: its own tags and `max_concurrent` count."
    )
    tags: list[Id] = Field(default_factory=list, max_length=1000, description="Of a worker that is not registered.")
    max: int = Field(default=1, ge=1, le=MAX_LEASED, description="So many tasks at most.")
    wait_ms: int = Field(default=0, ge=0, le=MAX_WAIT_MS, description="How long to wait for the first one.")
    lease_ms: int = Field(
        default=LEASE_MS, ge=100, le=3_600_000, description="For so long a task is held without a word."
    )
