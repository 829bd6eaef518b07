"""Errors as problem documents."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from fastapi.exceptions import RequestValidationError

from api.errors import MAX_ERRORS, PROBLEM, Refused, of_engine, of_json, of_validation, problem
from engine.codec import CodecError
from engine.errors import (
    Conflict,
    EngineError,
    Invalid,
    NotFound,
    StaleCommit,
    StateInvalid,
    StoreLocked,
    StoreUnavailable,
)


def shown(response: Any) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(response.body)
    assert response.headers["content-type"] == PROBLEM
    assert found["status"] == response.status_code
    return found


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("gone"), 404, "not_found"),
        (Conflict("taken", "run.terminal"), 409, "run.terminal"),
        (Conflict("taken"), 409, "conflict"),
        (Invalid("wrong", "state.invalid"), 422, "state.invalid"),
        (StateInvalid("n", "expected a number"), 422, "state.invalid"),
        (StoreUnavailable("full"), 503, "store.unavailable"),
        (StaleCommit("old"), 503, "commit.stale"),
        (StoreLocked("mine"), 503, "store.locked"),
        (Refused(412, "workflow.changed", "other"), 412, "workflow.changed"),
        (EngineError("what?"), 500, "engine.error"),
    ],
)
def test_each_error_has_its_status_and_code(error: EngineError, status: int, code: str) -> None:
    found = shown(of_engine(error))
    assert (found["status"], found["code"], found["detail"]) == (status, code, error.message)


def test_the_problems_of_a_document_are_all_told() -> None:
    faults = [{"code": "edge.node", "path": "/edges/0", "message": "no"}]
    assert shown(of_engine(Invalid("bad", "workflow.invalid", faults)))["errors"] == faults


def test_a_refusal_may_carry_headers() -> None:
    assert (
        of_engine(Refused(401, "auth.missing", "who?", {"WWW-Authenticate": "Bearer"})).headers["www-authenticate"]
        == "Bearer"
    )
    assert of_engine(StoreUnavailable("full")).headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("code", "status"), [("json.malformed", 400), ("json.depth", 422), ("json.integer", 422), ("json.number", 422)]
)
def test_only_text_that_is_no_json_is_malformed(code: str, status: int) -> None:
    assert shown(of_json(CodecError(code, "no")))["status"] == status


def test_places_are_json_pointers() -> None:
    faults = [
        {"type": "missing", "loc": ("body",), "msg": "Field required"},
        {"type": "extra_forbidden", "loc": ("body", "a/b", "c~d", 0), "msg": "Extra"},
        {"type": "value_error", "loc": ("query", "q"), "msg": "Value error, not that"},
    ]
    found = shown(of_validation(RequestValidationError(faults)))
    assert [fault["path"] for fault in found["errors"]] == ["", "/a~1b/c~0d/0", "/q"]
    assert [fault["in"] for fault in found["errors"]] == ["body", "body", "query"]
    assert found["errors"][2]["message"] == "not that"
    assert (found["code"], found["status"]) == ("request.invalid", 422)


def test_what_is_not_supported_has_a_code_of_its_own() -> None:
    fault = {"type": "unsupported", "loc": ("body", "webhook"), "msg": "not yet"}
    assert shown(of_validation(RequestValidationError([fault])))["code"] == "request.unsupported"


def test_a_problem_never_grows_without_bound() -> None:
    found = shown(problem(422, "x", "y" * 10_000, errors=[{"path": ""}] * 5000))
    assert (len(found["detail"]), len(found["errors"])) == (2000, MAX_ERRORS)
