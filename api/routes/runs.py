"""Runs: started, listed, looked at, answered, forked, cancelled, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.datastructures import QueryParams
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import Responses, body_problems, events, problems
from api.filters import run_filter_of
from api.keys import Claimed
from api.render import answer, created, location, nothing, page
from api.requests import StrictRoute
from api.schemas import Empty, Fork, Paged, Resume, RunFilters, RunsQuery, StartAnyRun, StartQuery, StartRun
from api.sse import stream
from api.wiring import Wired
from engine.model import RunId, TaskId, TaskStatus
from engine.ports import RunFilter

router = APIRouter(tags=["runs"], route_class=StrictRoute)

STREAMED: Responses = {201: {**events(201)[201], "description": "The run, or its stream."}}
Accept = Annotated[str, Header(description="`text/event-stream` streams the run.")]
METADATA = "metadata."


async def _begun(server: Wired, run_id: RunId, query: StartQuery, accept: str) -> Response:
    if "text/event-stream" not in accept:
        await server.runs.settle(run_id, query.wait)
        return created(await server.reader.run(run_id), "runs")
    told = server.streams.stream(run_id, modes=frozenset(query.mode.split(",")), after=None, from_now=False, until=None)
    headers = {"Location": location("runs", run_id)}
    return stream(told, server.closing, server.settings, status=201, headers=headers)


@router.post(
    "/workflows/{workflow_id}/runs",
    status_code=201,
    response_model=shapes.Run,
    responses={**body_problems(404, 409), **STREAMED},
)
async def start_run(
    server: Serving,
    workflow_id: str,
    query: Annotated[StartQuery, Query()],
    claim: Claimed,
    body: StartRun | None = None,
    accept: Accept = "",
) -> Response:
    """Start a run of a workflow."""
    run_id = await server.runs.start(workflow_id, body or StartRun(), claim)
    return await _begun(server, run_id, query, accept)


@router.post("/runs", status_code=201, response_model=shapes.Run, responses={**body_problems(404, 409), **STREAMED})
async def start_any_run(
    server: Serving,
    query: Annotated[StartQuery, Query()],
    body: StartAnyRun,
    claim: Claimed,
    accept: Accept = "",
) -> Response:
    """Start a run of a workflow by its id, or of a document that comes along."""
    return await _begun(server, await server.runs.start_any(body, claim), query, accept)


def run_filter(query: RunFilters, given: QueryParams) -> RunFilter:
    """The filter that query parameters describe."""
    statuses = query.status.split(",") if query.status else ()
    metadata = {name[len(METADATA) :]: text for name, text in given.items() if name.startswith(METADATA)}
    return run_filter_of(query, statuses, metadata)


@router.get("/runs", response_model=shapes.PageOf[shapes.RunSummary], responses=problems())
async def list_runs(server: Serving, request: Request, query: Annotated[RunsQuery, Query()]) -> Response:
    """List runs, newest first."""
    where = run_filter(query, request.query_params)
    return page(await server.reader.runs(where, query.limit, query.cursor))


@router.get("/runs/{run_id}", response_model=shapes.Run, responses=problems(404))
async def get_run(server: Serving, run_id: str) -> Response:
    """Get a run with its state, tasks and open interrupts."""
    return answer(await server.reader.run(run_id))


@router.get("/runs/{run_id}/tasks", response_model=shapes.PageOf[shapes.Task], responses=problems(404))
async def list_tasks(server: Serving, run_id: str, query: Annotated[Paged, Query()]) -> Response:
    """List the tasks of a run, the open ones first, then the last finished."""
    return page(await server.reader.tasks(run_id, query.limit, query.cursor))


@router.get("/runs/{run_id}/tasks/{task_id}", response_model=shapes.TaskRecord, responses=problems(404))
async def get_task(server: Serving, run_id: str, task_id: str) -> Response:
    """Get a task with input, output, attempts and log lines; where it waits, why the workers cannot take it."""
    found = await server.reader.task(run_id, task_id)
    waits = found["status"] == TaskStatus.WAITING
    return answer({**found, "workers": server.outbox.why_not(TaskId(task_id)) if waits else {}})


@router.post("/runs/{run_id}/resume", response_model=shapes.Run, responses=body_problems(404, 409))
async def resume_run(server: Serving, run_id: str, body: Resume | None = None) -> Response:
    """Answer the open interrupts of a run."""
    asked = body or Resume()
    await server.engine.resume(RunId(run_id), asked.resume, asked.updates)
    return answer(await server.reader.run(run_id))


@router.post("/runs/{run_id}/fork", status_code=201, response_model=shapes.BegunRun, responses=body_problems(404, 409))
async def fork_run(server: Serving, run_id: str, body: Fork, claim: Claimed) -> Response:
    """Start a new run from a checkpoint of this one."""
    return created(await server.reader.begun(await server.runs.fork(body, run_id, claim)), "runs")


@router.post("/runs/fork", status_code=201, response_model=shapes.BegunRun, responses=body_problems(404, 409))
async def fork_checkpoint(server: Serving, body: Fork, claim: Claimed) -> Response:
    """Start a new run from a checkpoint of any run."""
    return created(await server.reader.begun(await server.runs.fork(body, claim=claim)), "runs")


@router.post("/runs/{run_id}/cancel", response_model=shapes.Run, responses=body_problems(404, 409))
async def cancel_run(server: Serving, run_id: str, body: Empty | None = None) -> Response:
    """Cancel a run: final and immediate."""
    await server.engine.cancel(RunId(run_id))
    return answer(await server.reader.run(run_id))


@router.delete("/runs/{run_id}", status_code=204, responses=problems(404, 409))
async def delete_run(server: Serving, run_id: str) -> Response:
    """Delete a finished run with all it owns."""
    await server.engine.delete(RunId(run_id))
    return nothing()
