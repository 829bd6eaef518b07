"""Jobs as the API's description shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.shapes import Shape

Action = Literal["fork", "retry", "cancel", "delete"]


class Job(Shape):
    """One action on many runs, and how far it has come."""

    id: str
    action: Action
    status: Literal["running", "completed", "cancelled"]
    total: int = Field(description="How many runs there were when it was asked for.")
    done: int
    failed: int = Field(description="Runs with which it could not be done; `GET /v1/jobs/{id}/runs` says why.")
    left: int
    progress: str = Field(description="As people read it: `40/1000`.")
    asked: dict[str, Any] = Field(description="What was asked.")
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None


class RefusedRun(Shape):
    """A run with which it cannot be done as it stands."""

    run_id: str
    reason: str


class JobPreview(Shape):
    """What a job would deal with. Nothing was done."""

    action: Action
    dry_run: Literal[True]
    total: int
    runs: list[str] = Field(description="The first hundred of them.")
    refused: list[RefusedRun] = Field(description="Those of the first hundred with which it cannot be done.")


class JobError(Shape):
    """Why it could not be done with a run."""

    code: str
    message: str


class JobRun(Shape):
    """A run of a job."""

    run_id: str
    status: Literal["pending", "done", "failed", "cancelled"]
    made: str | None = Field(description="The run that a fork has begun.")
    error: JobError | None
    at: datetime | None
