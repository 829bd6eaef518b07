"""What functions return and raise, as it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from clew import Answer, TaskError
from clew.worker.answer import MAX_BODY, MAX_DEPTH, answer_of, failure_of, is_success


class Size(BaseModel):
    width: int


@dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "output"),
    [
        (None, None),
        ("text", "text"),
        ({"output": 1, "updates": {}}, {"output": 1, "updates": {}}),
        (Size(width=3), {"width": 3}),
        ([Point(1), {"at": datetime(2026, 1, 1, tzinfo=UTC)}], [{"x": 1}, {"at": "2026-01-01T00:00:00Z"}]),
    ],
)
def test_what_is_returned_is_the_output(value: object, output: object) -> None:
    assert answer_of(value) == {"output": output}


def test_an_answer_has_the_fields_that_it_was_given() -> None:
    assert answer_of(Answer(output=None, goto="next", usage={"cost": 1})) == {
        "output": None, "goto": "next", "usage": {"cost": 1},
    }  # fmt: skip
    assert answer_of(Answer(updates={"a": 1}, events=[{"message": "m"}])) == {
        "updates": {"a": 1}, "events": [{"message": "m"}],
    }  # fmt: skip
    assert answer_of(Answer()) == {"updates": {}}


@pytest.mark.parametrize("value", [object(), float("nan"), {"a": {1: object()}}, b"\xff"])
def test_what_json_cannot_carry_fails_for_good(value: object) -> None:
    with pytest.raises(TaskError) as failure:
        answer_of(value)
    assert (failure.value.code, failure.value.retryable) == ("worker.answer", False)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("x" * MAX_BODY, "answer.too_large"),
        ({"a": [2**63]}, "state.invalid"),
        (-(2**63) - 1, "state.invalid"),
        (nested(MAX_DEPTH), "answer.invalid"),
    ],
    ids=["long", "big", "small", "deep"],
)
def test_what_no_server_takes_fails_for_good(value: object, code: str) -> None:
    with pytest.raises(TaskError) as failure:
        answer_of(value)
    assert (failure.value.code, failure.value.retryable) == (code, False)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), True, nested(MAX_DEPTH - 1), "x" * 1000])
def test_what_just_fits_is_an_answer(value: object) -> None:
    assert answer_of(value) == {"output": value}


class Busy(Exception):
    code = "model.busy"
    retryable = True


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TaskError("a.b", "no"), {"code": "a.b", "message": "no"}),
        (TaskError("a.b", "no", retryable=False, details=[1]), {
            "code": "a.b", "message": "no", "retryable": False, "details": [1],
        }),
        (KeyError("x"), {"code": "worker.exception", "message": "KeyError: 'x'", "retryable": True}),
        (Busy("now"), {"code": "model.busy", "message": "Busy: now", "retryable": True}),
    ],
)  # fmt: skip
def test_what_is_raised_is_an_error(error: Exception, said: object) -> None:
    body = failure_of(error)
    assert body == {"error": said}
    assert not is_success(body)


def test_only_a_success_may_be_given_again() -> None:
    assert is_success({"output": 1})
    assert not is_success({"interrupt": {"message": "?"}})
