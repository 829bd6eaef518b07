"""Jobs: one action on many runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Unpack

from clew._faces import F, Resource, call, listed
from clew._http import new_key, path_of
from clew._json import given
from clew.fields import Action, BulkFields, BulkFilter
from clew.models import Job, JobPreview, JobRun


class Jobs(Resource[F]):
    """`/v1/runs/bulk` and `/v1/jobs`."""

    @call
    async def start(
        self, action: Action, filter: BulkFilter, *, key: str | None = None, **fields: Unpack[BulkFields]
    ) -> Job:
        """Do something with all runs that fit: fork, retry, cancel or delete."""
        body = {"action": action, "filter": filter, **given(**fields)}
        return await self._http.create(Job, "/runs/bulk", body, key=key)

    @call
    async def preview(self, action: Action, filter: BulkFilter, **fields: Unpack[BulkFields]) -> JobPreview:
        """With which runs `start` would deal. Nothing is done."""
        body = {"action": action, "filter": filter, "dry_run": True, **given(**fields)}
        return await self._http.create(JobPreview, "/runs/bulk", body, key=new_key())

    @call
    async def get(self, job_id: str, *, wait: float | None = None) -> Job:
        """A job; with `wait` (seconds, 300 at most) as it is once it is over, or the time is up."""
        return await self._http.get(Job, path_of("jobs", job_id), given(wait=wait), wait or 0.0)

    @listed
    def list(self, *, status: str | None = None, page: int | None = None) -> AsyncIterator[Job]:
        """All jobs that fit, newest first."""
        return self._http.items(Job, "/jobs", given(status=status, limit=page))

    @listed
    def runs(self, job_id: str, *, status: str | None = None, page: int | None = None) -> AsyncIterator[JobRun]:
        """The runs of a job, and what became of each."""
        return self._http.items(JobRun, path_of("jobs", job_id, "runs"), given(status=status, limit=page))

    @call
    async def cancel(self, job_id: str) -> Job:
        """Stop a job; what is done stays done."""
        return await self._http.post(Job, path_of("jobs", job_id, "cancel"))
