"""Workers: registered, listed, changed, removed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes, shapes_workers
from api.deps import Serving
from api.describe import body_problems, problems
from api.keys import Claimed
from api.render import answer, created, nothing, page, rate_json
from api.render_workers import beaten_json
from api.requests import StrictRoute
from api.schemas import Paged
from api.schemas_workers import Beat, ChangedWorker, DrainWorker, NamedBeat, NewWorker, RebindRun
from engine.ports import Page

router = APIRouter(tags=["workers"], route_class=StrictRoute)


@router.post("/workers", status_code=201, response_model=shapes_workers.RegisteredWorker, responses=body_problems(409))
async def register_worker(server: Serving, body: NewWorker, claim: Claimed) -> Response:
    """Register a worker. Its signing secret is in this answer, and never shown again."""
    row = await server.workers.register(body, claim)
    return created({**server.workers.shown(row), "secret": row.secret}, "workers")


@router.post(
    "/workers/register",
    status_code=200,
    response_model=shapes_workers.Worker,
    responses={201: {"model": shapes_workers.RegisteredWorker, "description": "It is new."}, **body_problems()},
)
async def take_up_worker(server: Serving, body: NewWorker) -> Response:
    """Register a worker that may be known already: what it says then takes the place of what it said before."""
    row, new = await server.workers.take_up(body)
    if new:
        return created({**server.workers.shown(row), "secret": row.secret}, "workers")
    return answer(server.workers.shown(row))


@router.post("/workers/heartbeat", response_model=shapes_workers.Beaten, responses=body_problems(404))
async def beat_by_name(server: Serving, body: NamedBeat) -> Response:
    """Say that a worker is there, and how it is; the worker is named in the body."""
    return answer(beaten_json(server.workers.beat(body.worker_id, body)))


@router.post("/workers/{worker_id}/heartbeat", response_model=shapes_workers.Beaten, responses=body_problems(404))
async def beat(server: Serving, worker_id: str, body: Beat | None = None) -> Response:
    """Say that a worker is there, and how it is; the answer says whether it gets tasks."""
    return answer(beaten_json(server.workers.beat(worker_id, body or Beat())))


@router.post("/workers/{worker_id}/drain", response_model=shapes_workers.Drained, responses=body_problems(404))
async def drain_worker(server: Serving, worker_id: str, body: DrainWorker | None = None) -> Response:
    """Have a worker get nothing more; what it holds goes on, or is taken back and goes to others."""
    row, handed_back = await server.worker_drains.drain(worker_id, body or DrainWorker())
    return answer({**server.workers.shown(row), "handed_back": handed_back})


@router.post("/runs/{run_id}/rebind", response_model=shapes_workers.Rebound, responses=body_problems(404, 409))
async def rebind_run(server: Serving, run_id: str, body: RebindRun | None = None) -> Response:
    """Take tasks of a run from the workers that hold them, and give them to others: the same attempts, elsewhere."""
    return answer(await server.worker_drains.rebind(run_id, body or RebindRun()))


@router.get("/workers", response_model=shapes.PageOf[shapes_workers.Worker], responses=problems())
async def list_workers(server: Serving, query: Annotated[Paged, Query()]) -> Response:
    """List workers by id."""
    found = await server.workers.page(query.limit, query.cursor)
    return page(Page(items=tuple(map(server.workers.shown, found.items)), next_cursor=found.next_cursor))


@router.get("/rate-limits", response_model=shapes.PageOf[shapes.RateLimit], responses=problems())
async def list_rate_limits(server: Serving, query: Annotated[Paged, Query()]) -> Response:
    """List what workers last said of their rate limits, by worker."""
    found = server.workers.rates(query.limit, query.cursor)
    return page(Page(items=tuple(rate_json(*item) for item in found.items), next_cursor=found.next_cursor))


@router.get("/workers/{worker_id}", response_model=shapes_workers.Worker, responses=problems(404))
async def get_worker(server: Serving, worker_id: str) -> Response:
    """Get a worker."""
    return answer(server.workers.shown(await server.workers.get(worker_id)))


@router.patch("/workers/{worker_id}", response_model=shapes_workers.Worker, responses=body_problems(404))
async def change_worker(server: Serving, worker_id: str, body: ChangedWorker) -> Response:
    """Change fields of a worker."""
    return answer(server.workers.shown(await server.workers.change(worker_id, body)))


@router.delete("/workers/{worker_id}", status_code=204, responses=problems(404))
async def delete_worker(server: Serving, worker_id: str) -> Response:
    """Remove a worker; tasks that it holds may still be answered."""
    await server.workers.delete(worker_id)
    return nothing()
