"""What is answered about sessions, as the API's description shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.shapes import RunSummary, Shape
from engine.model import RunStatus


class SessionSummary(Shape):
    """A session as lists show it."""

    id: str
    status: RunStatus | None = Field(description="That of the run that began last; null where none has begun.")
    workflow_id: str | None = Field(description="Of that run.")
    latest_run_id: str | None = Field(description="The run that began last.")
    latest_checkpoint_id: str | None = Field(description="Where the next run of that workflow goes on from.")
    created_at: datetime
    updated_at: datetime = Field(description="When a run of it was asked for, or began, last.")


class Session(SessionSummary):
    """A session with its newest state and its newest 100 runs."""

    state: dict[str, Any] = Field(description="As it is shown at the newest checkpoint.")
    runs: list[RunSummary] = Field(description="The newest first; `GET /v1/runs?session_id=` lists all.")
