"""The streams of a run, and of all runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from api.deps import Serving
from api.describe import events, problems
from api.requests import StrictRoute
from api.routes.runs import run_filter
from api.schemas import EventsQuery, StreamQuery
from api.sse import Stream, stream

router = APIRouter(tags=["runs"], route_class=StrictRoute)

LastEventId = Annotated[str | None, Header(description="The id of the last event that was seen; wins over `after`.")]


@router.get("/runs/{run_id}/stream", response_class=Stream, responses={**problems(404), **events()})
async def stream_run(
    server: Serving, run_id: str, query: Annotated[StreamQuery, Query()], last_event_id: LastEventId = None
) -> Response:
    """Stream what happens in a run, from the beginning or after an event, to its end."""
    after = last_event_id or query.after
    await server.streams.check(run_id, after)
    told = server.streams.stream(
        run_id,
        modes=frozenset(query.mode.split(",")),
        after=after,
        from_now=query.from_ is not None,
        until=query.until,
    )
    return stream(told, server.closing, server.settings)


@router.get("/events", response_class=Stream, responses={**problems(), **events()})
async def stream_events(
    server: Serving, request: Request, query: Annotated[EventsQuery, Query()], last_event_id: LastEventId = None
) -> Response:
    """Stream what happens in all runs, or in those that the filters name. Data also has `run_id` and `workflow_id`."""
    told = server.everything.stream(
        run_filter(query, request.query_params),
        modes=frozenset(query.mode.split(",")),
        at=await server.everything.place(last_event_id or query.after, from_now=query.from_ is not None),
    )
    return stream(told, server.closing, server.settings)
