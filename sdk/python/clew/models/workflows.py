"""Workflows: their versions, and what is wrong with a document."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from clew.models._base import Json, Model
from clew.models.common import Fault
from clew.models.history import Operation


class FileFault(Model):
    """What is wrong with a workflow file; the last good version stays in use."""

    file: str
    workflow_id: str | None = None
    message: str
    problems: list[Fault] = []


class Workflow(Model):
    """One version of a workflow. `definition` is the document as it was saved."""

    id: str
    version: int
    name: str | None = None
    status: str
    source: str
    tags: list[str] = []
    created_at: datetime
    updated_at: datetime
    definition: Json
    file: str | None = None
    fault: FileFault | None = None


class Durations(Model):
    """Milliseconds from the creation of runs to their end."""

    p50: int
    p95: int
    max: int


class RecentRuns(Model):
    """Those runs of a workflow that completed or failed last, at most 100. `duration_ms` is of those that completed."""

    runs: int
    since: datetime | None = None
    success_rate: float | None = None
    duration_ms: Durations | None = None


class Statistics(Model):
    """How the runs of a workflow fare, those of all its versions together."""

    workflow_id: str
    runs: int
    by_status: dict[str, int]
    last_run_at: datetime | None = None
    recent: RecentRuns


class Report(Model):
    """What is wrong with a document, and how it looks. `mermaid` is None where it is not valid."""

    valid: bool
    errors: list[Fault] = []
    warnings: list[Fault] = []
    mermaid: str | None = None


class VersionDiff(Model):
    """What changes in the document from one version to another, as JSON Patch (RFC 6902)."""

    from_: int = Field(alias="from")
    to: int
    patch: list[Operation]
