"""The shapes of figures: how the runs of a workflow fare."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from api.shapes import Shape
from engine.model import RunStatus


class Durations(Shape):
    """Milliseconds from the creation of runs to their end."""

    p50: int
    p95: int
    max: int


class RecentRuns(Shape):
    """Those runs of a workflow that completed or failed last, at most 100."""

    runs: int
    since: datetime | None = Field(description="When the first of them ended.")
    success_rate: float | None = Field(description="How many of them completed, from 0 to 1.")
    duration_ms: Durations | None = Field(description="Of those that completed; null where none did.")


class Statistics(Shape):
    """How the runs of a workflow fare, those of all its versions together."""

    workflow_id: str
    runs: int
    by_status: dict[RunStatus, int]
    last_run_at: datetime | None = Field(description="When the newest was created.")
    recent: RecentRuns
