"""Runs that are moved: written as files, taken in from them, and released."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import body_problems, lines, problems
from api.keys import Claimed
from api.render import answer, created, streamed_lines
from api.requests import StrictRoute
from api.schemas import Empty
from api.schemas_travel import ImportQuery
from api.spooled import Spooled, SpooledRoute

router = APIRouter(tags=["runs"], route_class=StrictRoute)
spooled = APIRouter(tags=["runs"], route_class=SpooledRoute)

NDJSON = "application/x-ndjson"
FILE = {"requestBody": {"required": True, "content": {NDJSON: {"schema": {"type": "string"}}}}}


@router.get("/runs/{run_id}/export", response_class=Response, responses={**problems(404, 409), **lines(NDJSON)})
async def export_run(server: Serving, run_id: str) -> Response:
    """Write a run with its whole history as one file, as it is now."""
    return await streamed_lines(server.porting.export(run_id), NDJSON)


@spooled.post(
    "/runs/import",
    status_code=201,
    response_model=shapes.Run,
    responses={**body_problems(409), 200: {"model": shapes.Run, "description": "The run was here already, the same."}},
    openapi_extra=FILE,
)
async def import_run(
    server: Serving, spool: Spooled, query: Annotated[ImportQuery, Query()], claim: Claimed
) -> Response:
    """Take in a run from a file that an export has written. One that has not ended is held until it is released."""
    if query.start:
        server.engine.require_beginning()
    run_id, is_new = await server.porting.take_in(spool, server.settings.max_depth, claim)
    if query.start:
        await server.porting.release_if_held(run_id)
    run = await server.reader.run(run_id)
    return created(run, "runs") if is_new else answer(run)


@router.post("/runs/{run_id}/release", response_model=shapes.Run, responses=body_problems(404, 409))
async def release_run(server: Serving, run_id: str, body: Empty | None = None) -> Response:
    """Have a run that was imported go on where it was."""
    server.engine.require_beginning()
    await server.porting.release(run_id)
    return answer(await server.reader.run(run_id))
