"""Tasks for workers that come for them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from api import shapes_leases
from api.deps import Serving
from api.describe import body_problems
from api.leases import leaving
from api.render import JSON
from api.requests import StrictRoute
from api.schemas_workers import AskedLease

router = APIRouter(tags=["workers"], route_class=StrictRoute)


@router.post("/tasks/lease", response_model=shapes_leases.Leases, responses=body_problems(404))
async def lease_tasks(server: Serving, request: Request, body: AskedLease) -> Response:
    """Ask for tasks, as a worker of the protocol `pull`; with `wait`, wait until there is one.

    Each is held until its lease lapses, which heartbeats and progress extend; then it goes to the next who asks."""
    return Response(await server.leases.lease(body, leaving(request.receive)), media_type=JSON)
