"""Notices: what webhooks of runs were told, what could not be told, and telling it again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes, shapes_notices
from api.deps import Serving
from api.describe import body_problems, problems
from api.render import answer, notice_json, page
from api.requests import StrictRoute
from api.schemas import Empty
from api.schemas_notices import NoticesQuery
from engine.ports import Page

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/notices", response_model=shapes.PageOf[shapes_notices.Notice], responses=problems(404))
async def list_notices(server: Serving, query: Annotated[NoticesQuery, Query()]) -> Response:
    """List what webhooks of runs are told, newest first."""
    found = await server.notices.page(query.status, query.run_id, query.limit, query.cursor)
    return page(Page(items=tuple(map(notice_json, found.items)), next_cursor=found.next_cursor))


@router.get("/notices/{notice_id}", response_model=shapes_notices.Notice, responses=problems(404))
async def get_notice(server: Serving, notice_id: str) -> Response:
    """Get a notice."""
    return answer(notice_json(await server.notices.get(notice_id)))


@router.post("/notices/{notice_id}/redrive", response_model=shapes_notices.Notice, responses=body_problems(404, 409))
async def redrive_notice(server: Serving, notice_id: str, body: Empty | None = None) -> Response:
    """Tell it again, now: one that was given up, or that waits for its next attempt."""
    return answer(notice_json(await server.notices.redrive(notice_id)))
