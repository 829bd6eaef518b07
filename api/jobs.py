"""Jobs: one action on many runs, asked for, looked at and cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from api.closing import before
from api.filters import run_filter_of
from api.schemas_jobs import Bulk as Asked
from api.schemas_jobs import BulkFilter
from engine.claims import Claim
from engine.driver.bulk import Bulk
from engine.errors import NotFound
from engine.jobs import Action, Job, JobItem, JobStatus, Plan, Preview, Start
from engine.model import RunId
from engine.ports import Page, RunFilter
from engine.times import rfc3339


class Jobs:
    """Begins jobs, and tells of them."""

    def __init__(self, bulk: Bulk, closing: asyncio.Event) -> None:
        self.bulk, self.store, self.closing = bulk, bulk.store, closing

    async def job(self, job_id: str, wait_s: float = 0) -> Job:
        """A job, at once or when it is over, but not later than that and not beyond the server's end. Raises
        NotFound."""
        found = await self.bulk.job(job_id)
        if not wait_s or found.status is not JobStatus.RUNNING:
            return found
        await before(self.closing, self.bulk.wait(job_id, wait_s))
        return await self.bulk.job(job_id)

    async def preview(self, asked: Asked) -> dict[str, Any]:
        """What a job would do. Raises NotFound."""
        action = Action(asked.action)
        found: Preview = await self.bulk.preview(action, *_wanted(asked.filter))
        refused = [{"run_id": name, "reason": why} for name, why in found.refused.items()]
        shape = {"action": action.value, "dry_run": True, "total": found.total}
        return {**shape, "runs": list(found.runs), "refused": refused}

    async def begin(self, asked: Asked, claim: Claim | None) -> Job:
        """Begin a job; the one that a key has begun is that one. Raises NotFound, Invalid or Draining."""
        if claim is not None and claim.made is not None:
            return await self.bulk.job(claim.made)
        where, names = _wanted(asked.filter)
        told = asked.model_dump(mode="json", exclude_unset=True)
        return await self.bulk.begin(Action(asked.action), where, names, _plan(asked), told, claim)

    async def page(self, status: str | None, limit: int, cursor: str | None) -> Page[Job]:
        """Jobs, newest first. Raises Invalid for a cursor that is none."""
        items, after = await self.store.jobs(status, limit, cursor)
        return Page(items=items, next_cursor=after)

    async def runs(self, job_id: str, status: str | None, limit: int, cursor: str | None) -> Page[JobItem]:
        """The runs of a job in their order. Raises NotFound, and Invalid for a cursor that is none."""
        if await self.store.job(job_id) is None:
            raise NotFound(f"there is no job '{job_id[:80]}'")
        items, after = await self.store.job_items(job_id, status, limit, cursor)
        return Page(items=items, next_cursor=after)


def _wanted(asked: BulkFilter) -> tuple[RunFilter, Sequence[RunId] | None]:
    where = run_filter_of(asked, asked.status, asked.metadata)
    return where, None if asked.ids is None else [RunId(name) for name in asked.ids]


def _plan(asked: Asked) -> Plan:
    names = (asked.goto,) if isinstance(asked.goto, str) else asked.goto
    return Plan(
        start=Start(asked.checkpoint), updates=asked.updates, config=asked.config, version=asked.workflow_version,
        goto=None if names is None else tuple(names), reuse=asked.reuse is not None,
        reuse_interrupts=asked.reuse_interrupts,
    )  # fmt: skip


def job_json(job: Job) -> dict[str, Any]:
    """A job as the API shows it."""
    return {
        "id": job.id,
        "action": job.action.value,
        "status": job.status.value,
        "total": job.total,
        "done": job.done,
        "failed": job.failed,
        "left": job.left,
        "progress": f"{job.done + job.failed}/{job.total}",
        "asked": job.asked["asked"],
        "created_at": rfc3339(job.created_at),
        "updated_at": rfc3339(job.updated_at),
        "ended_at": None if job.ended_at is None else rfc3339(job.ended_at),
    }


def item_json(item: JobItem) -> dict[str, Any]:
    """A run of a job as the API shows it."""
    error = None if item.error_code is None else {"code": item.error_code, "message": item.error}
    return {
        "run_id": item.run_id,
        "status": item.status.value,
        "made": item.made,
        "error": error,
        "at": None if item.at is None else rfc3339(item.at),
    }
