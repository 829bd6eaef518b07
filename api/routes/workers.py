"""Workers: registered, listed, changed, removed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import body_problems, problems
from api.keys import Claimed
from api.render import answer, created, nothing, page, rate_json, worker_json
from api.requests import StrictRoute
from api.schemas import ChangedWorker, NewWorker, Paged
from engine.ports import Page

router = APIRouter(tags=["workers"], route_class=StrictRoute)


@router.post("/workers", status_code=201, response_model=shapes.RegisteredWorker, responses=body_problems(409))
async def register_worker(server: Serving, body: NewWorker, claim: Claimed) -> Response:
    """Register a worker. Its signing secret is in this answer, and never shown again."""
    row = await server.workers.register(body, claim)
    return created({**worker_json(row), "secret": row.secret}, "workers")


@router.get("/workers", response_model=shapes.PageOf[shapes.Worker], responses=problems())
async def list_workers(server: Serving, query: Annotated[Paged, Query()]) -> Response:
    """List workers by id."""
    found = await server.workers.page(query.limit, query.cursor)
    return page(Page(items=tuple(map(worker_json, found.items)), next_cursor=found.next_cursor))


@router.get("/rate-limits", response_model=shapes.PageOf[shapes.RateLimit], responses=problems())
async def list_rate_limits(server: Serving, query: Annotated[Paged, Query()]) -> Response:
    """List what workers last said of their rate limits, by worker."""
    found = server.workers.rates(query.limit, query.cursor)
    return page(Page(items=tuple(rate_json(*item) for item in found.items), next_cursor=found.next_cursor))


@router.get("/workers/{worker_id}", response_model=shapes.Worker, responses=problems(404))
async def get_worker(server: Serving, worker_id: str) -> Response:
    """Get a worker."""
    return answer(worker_json(await server.workers.get(worker_id)))


@router.patch("/workers/{worker_id}", response_model=shapes.Worker, responses=body_problems(404))
async def change_worker(server: Serving, worker_id: str, body: ChangedWorker) -> Response:
    """Change fields of a worker."""
    return answer(worker_json(await server.workers.change(worker_id, body)))


@router.delete("/workers/{worker_id}", status_code=204, responses=problems(404))
async def delete_worker(server: Serving, worker_id: str) -> Response:
    """Remove a worker; tasks that it holds may still be answered."""
    await server.workers.delete(worker_id)
    return nothing()
