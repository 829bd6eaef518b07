"""The server itself: whether it lives, whether it is ready, what it is, and what it knows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from api import catalogue, metrics, reference, shapes, shapes_server
from api.deps import Serving
from api.describe import body_problems, problems
from api.paging import page_of
from api.readiness import readiness
from api.render import answer, page
from api.requests import StrictRoute
from api.schemas import Backup, Drain, Paged

router = APIRouter(tags=["operations"], route_class=StrictRoute)
root = APIRouter(tags=["operations"], route_class=StrictRoute)


@root.get("/health", response_model=shapes_server.Health)
async def get_health() -> Response:
    """Tell that the server lives."""
    return answer({"status": "ok"})


@root.get("/docs", include_in_schema=False)
async def get_docs(request: Request) -> Response:
    """Show the interface as a page to read."""
    return HTMLResponse(reference.page(request.app.openapi()), headers=reference.HEADERS)


@router.get("/health", response_model=shapes_server.Health)
async def get_base_health() -> Response:
    """Tell that the server lives."""
    return answer({"status": "ok"})


@router.get("/ready", response_model=shapes_server.Ready, responses=problems())
async def get_ready(server: Serving) -> Response:
    """Tell whether the server can do its work: its store gives and takes, workers can be reached, and it is not about
    to end. One broker of several that is away is only told."""
    return answer(await readiness(server))


@router.get("/metrics", response_class=PlainTextResponse, responses=problems())
async def get_metrics(server: Serving) -> Response:
    """Tell what the server has done and holds, as text for Prometheus."""
    return Response(metrics.exposition(server), media_type=metrics.MEDIA_TYPE)


@router.post("/admin/drain", response_model=shapes_server.Drained, responses=body_problems())
async def drain_server(server: Serving, body: Drain | None = None) -> Response:
    """Begin no runs and send no tasks from now on, before the server is ended; or take work again."""
    server.engine.drain((body or Drain()).draining)
    if server.engine.draining:
        server.leases.end_waiting()
    return answer({"draining": server.engine.draining, "deliveries": server.outbox.under_way})


@router.post("/admin/backup", response_model=shapes_server.BackedUp, responses=body_problems(409))
async def back_up(server: Serving, body: Backup | None = None) -> Response:
    """Copy the database into the server's folder of backups, while it works."""
    return answer(await server.backups.write((body or Backup()).name))


@router.get("/admin/info", response_model=shapes_server.Info, responses=problems())
async def get_info(server: Serving) -> Response:
    """Tell what this server is, and what it allows."""
    return answer(catalogue.server_json(server))


@router.get("/node-types", response_model=shapes.PageOf[shapes.NodeType], tags=["workflows"], responses=problems())
async def list_node_types(query: Annotated[Paged, Query()]) -> Response:
    """List the types of nodes, with the JSON Schema of their fields."""
    return page(page_of(catalogue.node_types_json(), lambda found: str(found["type"]), query.limit, query.cursor))
