"""Workflows: their versions, what is wrong with them, and how they look."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Header, Query
from starlette.responses import PlainTextResponse, Response

from api import shapes, shapes_travel
from api.catalogue import workflow_json
from api.deps import Serving
from api.describe import body_problems, problems
from api.importing import take_over
from api.keys import Claimed
from api.render import answer, location, nothing, page
from api.requests import StrictRoute
from api.schemas import Document, Duplicate, Empty, Paged, WorkflowsQuery
from api.schemas_foreign import Foreign, ImportDocumentQuery
from api.shapes_foreign import Import
from api.shapes_statistics import Statistics
from api.statistics import statistics
from api.unserved import unserved
from api.wiring import Wired
from api.workflows import etag
from engine.dot import dot
from engine.mermaid import mermaid
from engine.ports import Page, WorkflowRow

router = APIRouter(tags=["workflows"], route_class=StrictRoute)

Given = Annotated[Document, Body()]


def _shown(server: Wired, row: WorkflowRow, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return answer(workflow_json(server, row), status, {"ETag": etag(row), **(headers or {})})


def _shown_page(server: Wired, found: Page[WorkflowRow]) -> Response:
    items = tuple(workflow_json(server, row) for row in found.items)
    return page(Page(items=items, next_cursor=found.next_cursor))


@router.post("/workflows", status_code=201, response_model=shapes.Workflow, responses=body_problems(409))
async def create_workflow(server: Serving, document: Given, claim: Claimed) -> Response:
    """Save a new workflow."""
    row = await server.workflows.create(document, claim)
    return _shown(server, row, 201, {"Location": location("workflows", row.id)})


@router.get("/workflows", response_model=shapes.PageOf[shapes.Workflow], responses=problems())
async def list_workflows(server: Serving, query: Annotated[WorkflowsQuery, Query()]) -> Response:
    """List workflows, the last changed first."""
    return _shown_page(server, await server.workflows.page(query))


@router.post("/workflows/validate", response_model=shapes.Report, responses=body_problems())
async def validate_document(server: Serving, document: Given) -> Response:
    """Tell what is wrong with a document."""
    return answer(await server.workflows.report(document))


@router.post(
    "/workflows/import",
    status_code=201,
    response_model=Import,
    responses={**body_problems(409), 200: {"model": Import, "description": "What a dry run found."}},
)
async def import_workflow(
    server: Serving,
    document: Annotated[Foreign, Body()],
    query: Annotated[ImportDocumentQuery, Query()],
    claim: Claimed,
) -> Response:
    """Save a document of another system as a new workflow, and tell what became of each part."""
    found, row = await take_over(server.workflows, document, query, claim)
    body = {"report": found.report(), "document": found.document}
    if row is None:
        return answer({**body, "workflow": None})
    headers = {"ETag": etag(row), "Location": location("workflows", row.id)}
    return answer({**body, "workflow": workflow_json(server, row)}, 201, headers)


@router.get("/workflows/{workflow_id}", response_model=shapes.Workflow, responses=problems(404))
async def get_workflow(server: Serving, workflow_id: str) -> Response:
    """Get the newest version of a workflow."""
    return _shown(server, await server.workflows.get(workflow_id))


@router.put("/workflows/{workflow_id}", response_model=shapes.Workflow, responses=body_problems(404, 409, 412))
async def put_workflow(
    server: Serving,
    workflow_id: str,
    document: Given,
    if_match: Annotated[str | None, Header(description="The ETag of the version that is changed.")] = None,
) -> Response:
    """Save a new version; a document that is the same as the newest makes none."""
    return _shown(server, await server.workflows.put(workflow_id, document, if_match))


@router.delete("/workflows/{workflow_id}", status_code=204, responses=problems(404, 409))
async def delete_workflow(server: Serving, workflow_id: str) -> Response:
    """Archive a workflow; its runs stay readable."""
    await server.workflows.delete(workflow_id)
    return nothing()


@router.get("/workflows/{workflow_id}/versions", response_model=shapes.PageOf[shapes.Workflow], responses=problems(404))
async def list_versions(server: Serving, workflow_id: str, query: Annotated[Paged, Query()]) -> Response:
    """List the versions of a workflow, newest first."""
    return _shown_page(server, await server.workflows.versions(workflow_id, query))


@router.get("/workflows/{workflow_id}/versions/{version}", response_model=shapes.Workflow, responses=problems(404))
async def get_version(server: Serving, workflow_id: str, version: str) -> Response:
    """Get one version of a workflow."""
    return _shown(server, await server.workflows.numbered(workflow_id, version))


@router.get(
    "/workflows/{workflow_id}/versions/{a}/diff/{b}", response_model=shapes_travel.VersionDiff, responses=problems(404)
)
async def diff_versions(server: Serving, workflow_id: str, a: str, b: str) -> Response:
    """Tell what changes in the document from one version to another."""
    return answer(await server.workflows.diff(workflow_id, a, b))


@router.get("/workflows/{workflow_id}/statistics", response_model=Statistics, responses=problems(404))
async def tell_statistics(server: Serving, workflow_id: str) -> Response:
    """Tell how the runs of a workflow fare: how many there are in each status, and how the last ones went."""
    row = await server.workflows.get(workflow_id)
    return answer(await statistics(server.store, row.id))


@router.post(
    "/workflows/{workflow_id}/duplicate",
    status_code=201,
    response_model=shapes.Workflow,
    responses=body_problems(404, 409),
)
async def duplicate_workflow(
    server: Serving, workflow_id: str, claim: Claimed, body: Duplicate | None = None
) -> Response:
    """Save a copy of the newest version as a workflow of its own."""
    asked = body or Duplicate()
    row = await server.workflows.duplicate(workflow_id, asked.id, asked.name, claim)
    return _shown(server, row, 201, {"Location": location("workflows", row.id)})


@router.post("/workflows/{workflow_id}/activate", response_model=shapes.Workflow, responses=body_problems(404))
async def activate_workflow(server: Serving, workflow_id: str, body: Empty | None = None) -> Response:
    """Let schedules and triggers start runs of a workflow."""
    return _shown(server, await server.workflows.set_status(workflow_id, "active"))


@router.post("/workflows/{workflow_id}/pause", response_model=shapes.Workflow, responses=body_problems(404))
async def pause_workflow(server: Serving, workflow_id: str, body: Empty | None = None) -> Response:
    """Keep schedules and triggers from starting runs of a workflow; other starts are not touched."""
    return _shown(server, await server.workflows.set_status(workflow_id, "paused"))


@router.post("/workflows/{workflow_id}/validate", response_model=shapes.Report, responses=problems(404))
async def validate_workflow(server: Serving, workflow_id: str) -> Response:
    """Tell what is wrong with a stored workflow."""
    row = await server.workflows.get(workflow_id)
    report = await server.workflows.report(row.document)
    waits = unserved(row.document, await server.store.workers()) if report["valid"] else ()
    return answer({**report, "warnings": [*report["warnings"], *(problem.as_json() for problem in waits)]})


@router.get(
    "/workflows/{workflow_id}/mermaid",
    response_class=PlainTextResponse,
    responses=problems(404),
)
async def draw_workflow(server: Serving, workflow_id: str) -> Response:
    """Draw a workflow, as Mermaid text."""
    return PlainTextResponse(await server.workflows.drawing(workflow_id, mermaid))


@router.get(
    "/workflows/{workflow_id}/dot",
    response_class=PlainTextResponse,
    responses=problems(404),
)
async def draw_workflow_in_dot(server: Serving, workflow_id: str) -> Response:
    """Draw a workflow with the graphs in it, in the language of Graphviz."""
    return PlainTextResponse(await server.workflows.drawing(workflow_id, dot))
