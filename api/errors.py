"""The one place where errors become responses: problem documents of RFC 9457, everywhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from api.methods import methods_of
from engine.codec import CodecError, dumps
from engine.errors import (
    Conflict,
    Draining,
    EngineError,
    Invalid,
    NodeFailure,
    NotFound,
    StaleCommit,
    StoreFull,
    StoreLocked,
    StoreUnavailable,
    stable_code,
)

PROBLEM = "application/problem+json"
MAX_ERRORS = 1000
MAX_DETAIL = 2000

log = structlog.get_logger(__name__)

_CODES = {400: "request.malformed", 404: "route.unknown", 405: "method.not_allowed"}
_MISSING = "a value is required here"
_MISTAKE = "the server made a mistake; its log says more"


class Refused(EngineError):
    """A request that HTTP itself refuses: who asks, how much, on what condition."""

    code = "request.refused"

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.refusal = code
        self.headers = dict(headers or {})


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Iterable[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    report: Any = None,
) -> Response:
    """A problem document. `code` is stable; `errors` names the places that are wrong, a `report` tells it all."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail if len(detail) <= MAX_DETAIL else detail[: MAX_DETAIL - 1] + "…",
        "errors": list(errors)[:MAX_ERRORS],
        **({} if report is None else {"report": report}),
    }
    return Response(dumps(body), status, headers, PROBLEM)


def code_of(error: EngineError) -> str:
    """The stable code of an error of the engine's tree, as its response has it."""
    match error:
        case Refused():
            return error.refusal
        case _:
            return stable_code(error)


def of_engine(error: EngineError) -> Response:
    """The response to an error of the engine's tree."""
    match error:
        case Refused():
            return problem(error.status, code_of(error), error.message, headers=error.headers)
        case NotFound():
            return problem(404, code_of(error), error.message)
        case Conflict():
            return problem(409, code_of(error), error.message)
        case Invalid():
            report = error.details.get("report")
            return problem(422, code_of(error), error.message, errors=error.problems, report=report)
        case NodeFailure():
            return problem(422, code_of(error), error.message)
        case StoreUnavailable() | StaleCommit() | StoreLocked() | Draining():
            return _not_now(error)
        case _:
            log.error("request.failed", code=error.code, error=error.message)
            return problem(500, error.code, error.message)


def _not_now(error: EngineError) -> Response:
    """The response where the server takes no work, which is no fault of who asks."""
    if isinstance(error, Draining):
        return problem(503, error.code, error.message, headers={"Retry-After": "5"})
    log.error("request.store", code=error.code, error=error.message)
    full = isinstance(error, StoreFull)
    return problem(507 if full else 503, error.code, error.message, headers={"Retry-After": "5" if full else "1"})


def of_json(error: CodecError) -> Response:
    """The response to a body that is no JSON (400), or JSON that cannot be kept as it is (422)."""
    return problem(400 if error.code == "json.malformed" else 422, error.code, error.message)


def of_validation(error: RequestValidationError) -> Response:
    """The response to a body or query that does not fit its schema, with a JSON Pointer for each fault."""
    found = [_fault(fault) for fault in error.errors()]
    code = "request.unsupported" if any(fault["code"] == "unsupported" for fault in found) else "request.invalid"
    first = found[0] if found else {"path": "", "message": "the request is not valid"}
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, code, f"{first['path'] or 'body'}: {first['message']}{more}", errors=found)


def _fault(fault: Mapping[str, Any]) -> dict[str, Any]:
    where, *path = fault["loc"]
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
    kind, message = fault["type"], str(fault["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        message = _MISSING
    elif kind == "extra_forbidden" and where == "body":
        message = f"'{path[-1]}' is not known here"
    return {"code": kind, "in": where, "path": pointer, "message": message}


def of_http(error: HTTPException, allowed: str = "") -> Response:
    """The response to what the router itself refuses: unknown paths and methods. `allowed` are those of the path."""
    status, detail, headers = error.status_code, str(error.detail), error.headers
    if status == 404:
        detail = "there is nothing at this path; the API is described at /docs"
    elif status == 405:
        detail, headers = f"this path takes {allowed}", {"Allow": allowed}
    return problem(status, _CODES.get(status, f"http.{status}"), detail, headers=headers)


def register(app: FastAPI) -> None:
    """Have every error of an app answered with a problem document."""
    app.add_exception_handler(EngineError, _by(of_engine))
    app.add_exception_handler(CodecError, _by(of_json))
    app.add_exception_handler(RequestValidationError, _by(of_validation))
    app.add_exception_handler(HTTPException, _of_route)
    app.add_exception_handler(ClientDisconnect, _by(lambda error: Response(status_code=400)))  # nobody is there
    app.add_exception_handler(Exception, _by(lambda error: problem(500, "internal", _MISTAKE)))


async def _of_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return of_http(error, methods_of(request.scope))


def _by(answer: Callable[[Any], Response]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return answer(error)

    return handle
