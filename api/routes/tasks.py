"""What workers post about their tasks."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request
from starlette.responses import Response

from api import shapes
from api.auth import bears, refused
from api.deps import Serving
from api.describe import body_problems
from api.render import answer
from api.requests import StrictRoute
from api.schemas import ResultQuery
from engine.model import TaskId

router = APIRouter(tags=["workers"], route_class=StrictRoute)


@router.post("/tasks/{task_id}/result", response_model=shapes.Accepted, responses=body_problems(403, 404, 409))
async def post_result(
    server: Serving,
    request: Request,
    task_id: str,
    body: Annotated[Any, Body()],
    query: Annotated[ResultQuery, Query()],
    x_clew_token: Annotated[str | None, Header(description="The token of the task, instead of `token`.")] = None,
) -> Response:
    """Answer a task. The token in `reply_to` allows it, or the server's own."""
    token, own = query.token or x_clew_token, server.settings.token
    if token is None and not bears(request.headers, own.get_secret_value() if own else None):
        raise refused(request.headers)
    await server.answers.take(TaskId(task_id), token, body)
    return answer({"accepted": True})
