"""Sessions: listed, looked at, deleted. Runs are started in them like all others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import problems
from api.render import answer, nothing, page, streamed_page
from api.requests import StrictRoute
from api.schemas import Paged
from api.schemas_sessions import SessionCheckpointsQuery
from api.shapes_sessions import Session, SessionSummary

router = APIRouter(tags=["sessions"], route_class=StrictRoute)


@router.get("/sessions", response_model=shapes.PageOf[SessionSummary], responses=problems())
async def list_sessions(server: Serving, query: Annotated[Paged, Query()]) -> Response:
    """List sessions, those first in which something happened last."""
    return page(await server.sessions.sessions(query.limit, query.cursor))


@router.get("/sessions/{session_id}", response_model=Session, responses=problems(404))
async def get_session(server: Serving, session_id: str) -> Response:
    """Get a session with its runs and its newest state."""
    return answer(await server.sessions.session(session_id))


@router.get(
    "/sessions/{session_id}/checkpoints", response_model=shapes.PageOf[shapes.Checkpoint], responses=problems(404)
)
async def list_session_checkpoints(
    server: Serving, session_id: str, query: Annotated[SessionCheckpointsQuery, Query()]
) -> Response:
    """List the checkpoints of a session's runs, newest first."""
    found = server.sessions.checkpoints(
        session_id, node=query.node, state=query.state, limit=query.limit, cursor=query.cursor
    )
    return await streamed_page(found)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(404, 409))
async def delete_session(server: Serving, session_id: str) -> Response:
    """Delete a session with all its runs, which have all ended."""
    await server.engine.delete_session(session_id)
    return nothing()
