"""Jobs: one action on many runs, in the background."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes, shapes_jobs
from api.deps import Serving
from api.describe import body_problems, problems
from api.jobs import item_json, job_json
from api.keys import Claimed
from api.render import answer, page
from api.requests import StrictRoute
from api.schemas import Empty
from api.schemas_jobs import Bulk, JobQuery, JobRunsQuery, JobsQuery
from engine.ports import Page

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.post(
    "/runs/bulk",
    status_code=202,
    response_model=shapes_jobs.Job,
    responses={200: {"model": shapes_jobs.JobPreview, "description": "With `dry_run`."}, **body_problems(404, 409)},
)
async def begin_job(server: Serving, body: Bulk, claim: Claimed) -> Response:
    """Fork, retry, cancel or delete many runs in the background; with `dry_run`, tell which."""
    if body.dry_run:
        return answer(await server.jobs.preview(body))
    return answer(job_json(await server.jobs.begin(body, claim)), 202)


@router.get("/jobs", response_model=shapes.PageOf[shapes_jobs.Job], responses=problems())
async def list_jobs(server: Serving, query: Annotated[JobsQuery, Query()]) -> Response:
    """List jobs, newest first."""
    found = await server.jobs.page(query.status, query.limit, query.cursor)
    return page(Page(items=tuple(map(job_json, found.items)), next_cursor=found.next_cursor))


@router.get("/jobs/{job_id}", response_model=shapes_jobs.Job, responses=problems(404))
async def get_job(server: Serving, job_id: str, query: Annotated[JobQuery, Query()]) -> Response:
    """Get a job, at once or when it is over."""
    return answer(job_json(await server.jobs.job(job_id, query.wait)))


@router.get("/jobs/{job_id}/runs", response_model=shapes.PageOf[shapes_jobs.JobRun], responses=problems(404))
async def list_job_runs(server: Serving, job_id: str, query: Annotated[JobRunsQuery, Query()]) -> Response:
    """List the runs of a job in the order in which they are dealt with."""
    found = await server.jobs.runs(job_id, query.status, query.limit, query.cursor)
    return page(Page(items=tuple(map(item_json, found.items)), next_cursor=found.next_cursor))


@router.post("/jobs/{job_id}/cancel", response_model=shapes_jobs.Job, responses=body_problems(404))
async def cancel_job(server: Serving, job_id: str, body: Empty | None = None) -> Response:
    """Deal with no more runs of a job; nothing that was done is undone."""
    return answer(job_json(await server.jobs.bulk.cancel(job_id)))
