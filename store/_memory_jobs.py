"""Jobs in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from engine.claims import Claim, ClaimRow
from engine.jobs import ItemStatus, Job, JobItem, JobStatus, Target
from engine.ports import Batch
from engine.values import replace
from store import _cursor as cursors


class MemoryJobs:
    """Jobs by their ids, in the order in which they were made, and the runs of each by their keys."""

    if TYPE_CHECKING:  # the catalogue keeps the keys of requests

        def _add_claims(self, rows: Iterable[ClaimRow]) -> None: ...

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._job_items: dict[str, dict[int, JobItem]] = {}

    async def create_job(self, job: Job, targets: Sequence[Target], claim: Claim | None = None) -> None:
        self._jobs[job.id] = job
        self._add_claims([claim.on(job.id, job.created_at)] if claim is not None else [])
        items = (JobItem(job_id=job.id, run_key=one.run_key, run_id=one.run_id) for one in targets)
        self._job_items[job.id] = {item.run_key: item for item in items}

    async def job(self, job_id: str) -> Job | None:
        return self._jobs.get(job_id)

    async def jobs(self, status: str | None, limit: int, cursor: str | None) -> tuple[tuple[Job, ...], str | None]:
        after = cursors.read("jobs", cursor, int)
        placed = [(n, job) for n, job in enumerate(self._jobs.values(), 1) if status in (None, job.status)]
        found = [one for one in reversed(placed) if after is None or (one[0],) < after]
        page = cursors.page("jobs", found, limit, lambda one: (one[0],))
        return tuple(job for _, job in page.items), page.next_cursor

    async def job_items(
        self, job_id: str, status: str | None, limit: int, cursor: str | None
    ) -> tuple[tuple[JobItem, ...], str | None]:
        after = cursors.read("job_items", cursor, int)
        items = enumerate(self._job_items.get(job_id, {}).values(), 1)
        found = [one for one in items if status in (None, one[1].status) and (after is None or (one[0],) > after)]
        page = cursors.page("job_items", found, limit, lambda one: (one[0],))
        return tuple(item for _, item in page.items), page.next_cursor

    async def cancel_job(self, job_id: str, at: int) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.status is not JobStatus.RUNNING:
            return False
        self._jobs[job_id] = replace(job, status=JobStatus.CANCELLED, updated_at=at, ended_at=at)
        items = self._job_items[job_id]
        for key, item in items.items():
            if item.status is ItemStatus.PENDING:
                items[key] = replace(item, status=ItemStatus.CANCELLED, at=at)
        return True

    def _end_items(self, batch: Batch) -> None:
        for item in batch.items:
            known = self._job_items.get(item.job_id, {}).get(item.run_key)
            if known is None or known.status is not ItemStatus.PENDING:
                continue
            self._job_items[item.job_id][item.run_key] = replace(item, run_id=known.run_id)
            job = self._jobs[item.job_id]
            done, failed = item.status is ItemStatus.DONE, item.status is ItemStatus.FAILED
            job = replace(job, done=job.done + done, failed=job.failed + failed, updated_at=item.at or job.updated_at)
            if not job.left and job.status is JobStatus.RUNNING:
                job = replace(job, status=JobStatus.COMPLETED, ended_at=item.at)
            self._jobs[item.job_id] = job
