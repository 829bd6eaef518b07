"""Time travel to look at: what differs between checkpoints and runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes_travel as shapes
from api.deps import Serving
from api.describe import problems
from api.render import answer
from api.requests import StrictRoute
from api.schemas_travel import BlameQuery, CompareQuery, DiffQuery, TraceQuery

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/diff", response_model=shapes.Diff, responses=problems(404))
async def diff_checkpoints(server: Serving, query: Annotated[DiffQuery, Query()]) -> Response:
    """Tell what changes from one checkpoint to another, of one run or of two."""
    return answer(await server.comparison.diff(query.from_, query.to, query.limit, query.cursor))


@router.get("/compare", response_model=shapes.Comparison, responses=problems(404))
async def compare_runs(server: Serving, query: Annotated[CompareQuery, Query()]) -> Response:
    """Set two runs, or two checkpoints, side by side."""
    return answer(await server.comparison.compare(**dict(query)))


@router.get("/runs/{run_id}/blame", response_model=shapes.Blame, responses=problems(404))
async def blame_state(server: Serving, run_id: str, query: Annotated[BlameQuery, Query()]) -> Response:
    """Tell every commit that wrote a place in the state, over branches and the runs that this one comes from."""
    return answer(await server.blame.of(run_id, **dict(query)))


@router.get("/runs/{run_id}/trace", response_model=shapes.Trace, responses=problems(404))
async def trace_run(server: Serving, run_id: str, query: Annotated[TraceQuery, Query()]) -> Response:
    """Tell how a run went: its tasks in time, what caused them, what they waited for, and what came of joins."""
    return answer(await server.traces.of(run_id, **dict(query)))
