"""The description of the interface: what FastAPI cannot see by itself."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from api.auth import BASE, OPEN
from api.errors import PROBLEM
from api.shapes import Problem

REF = "#/components/schemas/{model}"
ABOUT = """Workflows, runs, checkpoints and workers. Errors are problem documents (RFC 9457) with a stable `code`.
Unknown query parameters and body fields are refused."""
TAGS = [
    {"name": "workflows", "description": "Graphs over a typed state; every change makes a version."},
    {"name": "runs", "description": "Executions: start, watch, cancel, fork."},
    {"name": "sessions", "description": "Runs that go on from one another."},
    {"name": "interrupts", "description": "Questions that runs wait with."},
    {"name": "workers", "description": "Who does the work, and how it answers."},
    {"name": "artifacts", "description": "Bytes that are too many to stand in a state."},
    {"name": "operations", "description": "The server itself."},
]
_SAID = {
    400: "The body is not JSON.",
    401: "The server's token is missing or wrong.",
    403: "The token does not allow this, or a web page of another origin asks.",
    404: "An id names nothing.",
    409: "The status does not allow this, or the id is taken, or the Idempotency-Key came with another body.",
    412: "If-Match names another version.",
    413: "The body is too large.",
    415: "The body is of a type that is not read.",
    416: "The range begins behind the end.",
    422: "A value is not acceptable; `errors` says where.",
    503: "The store takes or gives nothing now.",
    507: "The disk is full.",
}
Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int) -> Responses:
    """The errors of an operation, beside those that each one has."""
    return {
        status: {"description": _SAID[status], "content": {PROBLEM: {"schema": {"$ref": REF.format(model="Problem")}}}}
        for status in sorted({*statuses, 401, 422, 503, 507})
    }


def body_problems(*statuses: int) -> Responses:
    """The errors of an operation with a body."""
    return problems(400, 403, 413, 415, *statuses)


def events(status: int = 200) -> Responses:
    """An answer that may also be a stream of events."""
    return {status: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}


def lines(kind: str) -> Responses:
    """An answer that is a file of lines."""
    return {200: {"description": "The file.", "content": {kind: {"schema": {"type": "string"}}}}}


def operation_id(route: APIRoute) -> str:
    """`get_run` as `getRun`."""
    first, *rest = route.name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def install(app: FastAPI) -> None:
    """Have the app describe itself in full."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend the document


def _described(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=ABOUT,
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/"}],
    )
    parts = document.setdefault("components", {})
    _, shapes = models_json_schema([(Problem, "serialization")], ref_template=REF)
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    parts["schemas"] = dict(sorted({**parts["schemas"], **shapes["$defs"]}.items()))
    parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["security"] = [{"bearer": []}, {}] if path.startswith(BASE) and path not in OPEN else [{}]
    return document
