"""The stream of a run."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from api.deps import Serving
from api.describe import events, problems
from api.requests import StrictRoute
from api.schemas import StreamQuery
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
