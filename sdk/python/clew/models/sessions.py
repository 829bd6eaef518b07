"""Sessions: runs that go on from each other."""

from __future__ import annotations

from datetime import datetime

from clew.models._base import Json, Model
from clew.models.runs import RunSummary


class SessionSummary(Model):
    """A session as lists show it; `status` is that of the run that began last."""

    id: str
    status: str | None = None
    workflow_id: str | None = None
    latest_run_id: str | None = None
    latest_checkpoint_id: str | None = None
    created_at: datetime
    updated_at: datetime


class Session(SessionSummary):
    """A session with its newest state and its newest 100 runs, the newest first."""

    state: Json = {}
    runs: list[RunSummary] = []
