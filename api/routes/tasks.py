"""What workers post about their tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from api import shapes
from api.auth import bears, refused
from api.deps import Serving
from api.describe import body_problems
from api.render import answer
from api.requests import TEXT, JsonRequest, StrictRoute, with_text
from api.schemas import Empty
from api.schemas_reports import Reported, ResultQuery
from api.wiring import Wired
from engine.errors import Conflict
from engine.model import TaskId
from engine.progress import Progress
from engine.times import rfc3339

router = APIRouter(tags=["workers"], route_class=StrictRoute)

XToken = Annotated[str | None, Header(description="The token of the task, instead of `token`.")]


async def _token(
    server: Serving, request: Request, query: Annotated[ResultQuery, Query()], x_clew_token: XToken = None
) -> str | None:
    """The token of the task; None for who may speak of all tasks. Raises Refused (401)."""
    token, own = query.token or x_clew_token, server.settings.token
    if token is None and not bears(request.headers, own.get_secret_value() if own else None):
        raise refused(request.headers)
    return token


Token = Annotated[str | None, Depends(_token)]
TOKEN_ALONE = re.compile(rb"token=([\w.-]{1,500})", re.ASCII)


class ResultRoute(StrictRoute):
    """The one call that workers make for every task. Where there is nothing special about it, it is read by hand: to
    find its arguments takes the framework longer than to apply an answer. A result may be plain text, as a response."""

    async def read(self, request: Request) -> JsonRequest:
        return await with_text(request, request.app.state.settings)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        strict, plain = super().get_route_handler(), APIRoute.get_route_handler(self)

        async def quick(request: Request) -> Response:
            token = TOKEN_ALONE.fullmatch(request.scope["query_string"])
            if token is None or "content-length" not in request.headers:
                return await strict(request)
            given = await self.read(request)
            body, text = await given.json(), await given.body()
            if not text:
                return await plain(given)
            wired: Wired = request.app.state.wired
            await wired.answers.take(TaskId(request.path_params["task_id"]), token[1].decode(), body, text)
            return answer({"accepted": True})

        return quick


async def post_result(
    server: Serving, request: Request, task_id: str, token: Token, body: Annotated[Any, Body()]
) -> Response:
    """Answer a task. The token in `reply_to` allows it, or the server's own."""
    await server.answers.take(TaskId(task_id), token, body, await request.body())
    return answer({"accepted": True})


router.add_api_route(
    "/tasks/{task_id}/result",
    post_result,
    methods=["POST"],
    response_model=shapes.Accepted,
    responses=body_problems(403, 404, 409),
    route_class_override=ResultRoute,
    openapi_extra={"requestBody": {"content": {TEXT: {"schema": {"type": "string", "description": "The output."}}}}},
)


@router.post("/tasks/{task_id}/progress", response_model=shapes.Heard, responses=body_problems(403, 404, 409))
async def post_progress(server: Serving, task_id: str, token: Token, body: Reported) -> Response:
    """Report how far a task is, or anything else that is worth a line in its log."""
    return _heard(await server.answers.report(TaskId(task_id), token, body.reports()))


@router.post("/tasks/{task_id}/heartbeat", response_model=shapes.Heard, responses=body_problems(403, 404, 409))
async def post_heartbeat(server: Serving, task_id: str, token: Token, body: Empty | None = None) -> Response:
    """Say that a task is still being worked at; `wanted: false` says that nobody wants it any more."""
    try:
        return _heard(await server.answers.heartbeat(TaskId(task_id), token))
    except Conflict:
        return answer({"accepted": False, "wanted": False, "attempt": None, "deadline": None})


def _heard(progress: Progress) -> Response:
    deadline = rfc3339(progress.deadline)
    return answer({"accepted": True, "wanted": True, "attempt": progress.attempt, "deadline": deadline})
