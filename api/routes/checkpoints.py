"""Checkpoints of a run: listed without ever being in memory all at once, and one by one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import problems
from api.render import answer, streamed_page
from api.requests import StrictRoute
from api.schemas import CheckpointsQuery

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/runs/{run_id}/checkpoints", response_model=shapes.PageOf[shapes.Checkpoint], responses=problems(404))
async def list_checkpoints(server: Serving, run_id: str, query: Annotated[CheckpointsQuery, Query()]) -> Response:
    """List checkpoints, newest first."""
    return await streamed_page(server.reader.checkpoints(run_id, **dict(query)))


@router.get("/runs/{run_id}/checkpoints/{checkpoint_id}", response_model=shapes.Checkpoint, responses=problems(404))
async def get_checkpoint(server: Serving, run_id: str, checkpoint_id: str) -> Response:
    """Get a checkpoint with the state at it."""
    return answer(await server.reader.checkpoint(run_id, checkpoint_id))


@router.get("/runs/{run_id}/checkpoints/{checkpoint_id}/state", response_model=dict[str, Any], responses=problems(404))
async def get_checkpoint_state(server: Serving, run_id: str, checkpoint_id: str) -> Response:
    """Get the state at a checkpoint."""
    return answer(await server.reader.checkpoint_state(run_id, checkpoint_id))
