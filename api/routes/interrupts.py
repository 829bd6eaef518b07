"""Interrupts: the inbox over all runs, and their answers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from api import shapes
from api.deps import Serving
from api.describe import body_problems, problems
from api.render import answer, page
from api.requests import StrictRoute
from api.schemas import ClaimInterrupt, InterruptsQuery, Resume
from engine.model import RunId
from engine.ports import InterruptFilter

router = APIRouter(tags=["interrupts"], route_class=StrictRoute)


@router.get("/interrupts", response_model=shapes.PageOf[shapes.Interrupt], responses=problems(404))
async def list_interrupts(server: Serving, query: Annotated[InterruptsQuery, Query()]) -> Response:
    """List interrupts over all runs, newest first. Open ones come with an excerpt of the state that they ask about."""
    where = InterruptFilter(kind=query.kind, assignee=query.assignee, claimed=query.claimed)
    return page(await server.inbox.page(query.status, query.run_id, where, query.limit, query.cursor))


@router.get("/interrupts/{interrupt_id}", response_model=shapes.Interrupt, responses=problems(404))
async def get_interrupt(server: Serving, interrupt_id: str) -> Response:
    """Get an interrupt."""
    return answer(await server.inbox.get(interrupt_id))


@router.post("/interrupts/{interrupt_id}/resume", response_model=shapes.Run, responses=body_problems(404, 409))
async def resume_interrupt(server: Serving, interrupt_id: str, body: Resume | None = None) -> Response:
    """Answer one interrupt; `resume` is the value."""
    asked, run_id = body or Resume(), RunId((await server.inbox.row(interrupt_id)).run_id)
    await server.engine.resume(run_id, asked.resume, asked.updates, interrupt=interrupt_id)
    return answer(await server.reader.run(run_id))


@router.post("/interrupts/{interrupt_id}/claim", response_model=shapes.Interrupt, responses=body_problems(404, 409))
async def claim_interrupt(server: Serving, interrupt_id: str, body: ClaimInterrupt) -> Response:
    """Say that somebody looks after an open interrupt; a conflict where somebody else does."""
    await server.engine.store.assign(interrupt_id, body.assignee, server.engine.clock())
    return answer(await server.inbox.get(interrupt_id))


@router.delete("/interrupts/{interrupt_id}/claim", response_model=shapes.Interrupt, responses=problems(404))
async def release_interrupt(server: Serving, interrupt_id: str) -> Response:
    """Say that nobody looks after an interrupt any more."""
    await server.engine.store.unassign(interrupt_id)
    return answer(await server.inbox.get(interrupt_id))
