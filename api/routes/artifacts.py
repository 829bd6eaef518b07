"""Artifacts: bytes that are too many to stand in a state, sent and fetched by workers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api import shapes, shapes_artifacts
from api.artifacts import artifact_json
from api.deps import Serving
from api.describe import Responses, body_problems, problems
from api.render import answer, nothing, page
from api.requests import StrictRoute, read_parts
from api.schemas import Empty
from api.schemas_artifacts import ArtifactsQuery, KeepQuery, TaskQuery
from engine.ports import Page

router = APIRouter(tags=["artifacts"], route_class=StrictRoute)

XToken = Annotated[str | None, Header(description="The token of the task, instead of `token`.")]
_BYTES: dict[str, Any] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_BODY = {"requestBody": {"required": True, "content": _BYTES}}
_GIVEN: Responses = {
    200: {"description": "The bytes, as the type that they came with.", "content": _BYTES},
    206: {"description": "The part of them that `Range` asks for.", "content": _BYTES},
}


def _require_right(server: Serving, request: Request, query: TaskQuery, token: str | None) -> None:
    own = server.settings.token
    said = own.get_secret_value() if own else None
    server.artifacts.require_right(request.headers, said, query.task_id, query.token or token)


@router.post(
    "/artifacts",
    status_code=201,
    response_model=shapes_artifacts.Artifact,
    responses=body_problems(),
    openapi_extra=_BODY,
)
async def send_artifact(
    server: Serving, request: Request, query: Annotated[KeepQuery, Query()], x_clew_token: XToken = None
) -> Response:
    """Send bytes of any type, and get the reference to them. The token of a task allows it, or the server's own."""
    _require_right(server, request, query, x_clew_token)
    parts = read_parts(request, server.settings.max_artifact_bytes)
    found = await server.artifacts.take(parts, request.headers.get("content-type"), query.ttl)
    return answer(artifact_json(found), 201, {"Location": f"/v1/artifacts/{found.sha256}"})


@router.get("/artifacts", response_model=shapes.PageOf[shapes_artifacts.Artifact], responses=problems(404))
async def list_artifacts(server: Serving, query: Annotated[ArtifactsQuery, Query()]) -> Response:
    """List artifacts, newest first: all, or those that a run refers to."""
    run_key = None if query.run_id is None else (await server.reader.head(query.run_id)).key
    items, cursor = await server.store.artifacts(query.limit, query.cursor, run_key)
    return page(Page(items=tuple(map(artifact_json, items)), next_cursor=cursor))


@router.get("/artifacts/{sha256}", response_class=Response, responses={**problems(403, 404, 416), **_GIVEN})
async def fetch_artifact(
    server: Serving,
    request: Request,
    sha256: str,
    query: Annotated[TaskQuery, Query()],
    x_clew_token: XToken = None,
) -> Response:
    """Fetch the bytes of an artifact, or a range of them."""
    _require_right(server, request, query, x_clew_token)
    return await server.artifacts.response(sha256, request.headers)


@router.delete("/artifacts/{sha256}", status_code=204, responses=problems(403, 404, 409))
async def delete_artifact(server: Serving, sha256: str) -> Response:
    """Delete an artifact that no run refers to."""
    await server.artifacts.delete(sha256)
    return nothing()


@router.post("/artifacts/{sha256}/touch", response_model=shapes_artifacts.Artifact, responses=body_problems(404))
async def touch_artifact(
    server: Serving,
    request: Request,
    sha256: str,
    query: Annotated[KeepQuery, Query()],
    body: Empty | None = None,
    x_clew_token: XToken = None,
) -> Response:
    """Have an artifact stay longer that no run refers to."""
    _require_right(server, request, query, x_clew_token)
    return answer(artifact_json(await server.artifacts.touch(sha256, query.ttl)))
