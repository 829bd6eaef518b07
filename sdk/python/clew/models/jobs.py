"""Jobs: one action on many runs."""

from __future__ import annotations

from datetime import datetime

from clew.models._base import Json, Model


class Job(Model):
    """One action on many runs, and how far it has come; `progress` is for people: `40/1000`."""

    id: str
    action: str
    status: str
    total: int
    done: int
    failed: int
    left: int
    progress: str
    asked: Json = {}
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None


class RefusedRun(Model):
    """A run with which it cannot be done as it stands."""

    run_id: str
    reason: str


class JobPreview(Model):
    """What a job would deal with, of the first hundred runs. Nothing was done."""

    action: str
    dry_run: bool = True
    total: int
    runs: list[str] = []
    refused: list[RefusedRun] = []


class JobError(Model):
    """Why it could not be done with a run."""

    code: str
    message: str


class JobRun(Model):
    """A run of a job; `made` is the run that a fork has begun."""

    run_id: str
    status: str
    made: str | None = None
    error: JobError | None = None
    at: datetime | None = None
