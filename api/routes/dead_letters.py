"""Dead letters: what has failed for good, and having it done again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes, shapes_letters
from api.deps import Serving
from api.describe import body_problems, problems
from api.render import answer, dead_letter_json, page
from api.requests import StrictRoute
from api.schemas import DeadLettersQuery, Empty
from engine.ports import Page

router = APIRouter(tags=["runs"], route_class=StrictRoute)


@router.get("/dead-letters", response_model=shapes.PageOf[shapes_letters.DeadLetter], responses=problems(404))
async def list_dead_letters(server: Serving, query: Annotated[DeadLettersQuery, Query()]) -> Response:
    """List tasks that have failed for good, newest first."""
    key = None if query.run_id is None else (await server.reader.head(query.run_id)).key
    items, next_cursor = await server.store.dead_letters(query.status, query.limit, query.cursor, key)
    return page(Page(items=tuple(map(dead_letter_json, items)), next_cursor=next_cursor))


@router.get("/dead-letters/{letter_id}", response_model=shapes_letters.DeadLetter, responses=problems(404))
async def get_dead_letter(server: Serving, letter_id: str) -> Response:
    """Get a dead letter."""
    return answer(dead_letter_json(await server.engine.redrive.find(letter_id)))


@router.post(
    "/dead-letters/{letter_id}/redrive", response_model=shapes_letters.DeadLetter, responses=body_problems(404, 409)
)
async def redrive_dead_letter(server: Serving, letter_id: str, body: Empty | None = None) -> Response:
    """Have a failed task done again: a failed run is retried, one that ended otherwise is replayed from before."""
    return answer(dead_letter_json(await server.engine.redrive.redrive(letter_id)))
