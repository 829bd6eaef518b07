"""Time travel in a run: replay, checkout, state that is injected, retry of what failed."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import body_problems
from api.keys import Claimed
from api.render import answer
from api.requests import StrictRoute
from api.schemas import Empty, InjectState, Replay, Retry
from engine.model import RunId

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.post("/runs/{run_id}/replay", response_model=shapes.BegunRun, responses=body_problems(404, 409))
async def replay_run(server: Serving, run_id: str, body: Replay, claim: Claimed) -> Response:
    """Begin a new branch of a run at one of its checkpoints."""
    await server.runs.replay(run_id, body, claim)
    return answer(await server.reader.begun(run_id))


@router.post("/runs/{run_id}/branches/{branch}/checkout", response_model=shapes.Run, responses=body_problems(404, 409))
async def checkout_branch(server: Serving, run_id: str, branch: str, body: Empty | None = None) -> Response:
    """Go on with another branch of a run."""
    await server.runs.checkout(run_id, branch)
    return answer(await server.reader.run(run_id))


@router.post("/runs/{run_id}/state", status_code=202, response_model=shapes.Injected, responses=body_problems(404, 409))
async def inject_state(server: Serving, run_id: str, body: InjectState, claim: Claimed) -> Response:
    """Write state into a run, now or right after the next commit of a node."""
    return answer(await server.runs.inject(run_id, body, claim), 202)


@router.post("/runs/{run_id}/retry", response_model=shapes.Run, responses=body_problems(404, 409))
async def retry_run(server: Serving, run_id: str, body: Retry | None = None) -> Response:
    """Start again exactly what failed in a failed run."""
    await server.engine.travel.retry(RunId(run_id), (body or Retry()).config)
    return answer(await server.reader.run(run_id))
