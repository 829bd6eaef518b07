"""Errors and rate limits of model servers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dispatch._chat_errors import error_in, refusal, refusal_of
from dispatch._chat_rates import rate_limit_of, reset_ms, wait_of
from dispatch._http import Response
from engine.answer import RateLimit, Told
from engine.model import Usage
from engine.outbox import Refused
from tests.unit.dispatch.builders import NOW


def refused(status: int, body: Any, **headers: str) -> Refused:
    return refusal_of(
        Response(
            status=status,
            reason="",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            content_type="application/json",
            charset="utf-8",
            body=orjson.dumps(body),
        ),
        NOW,
    )


def openai(message: str = "no", kind: str = "invalid_request_error", code: Any = None) -> Any:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable"),
    [
        (401, openai(code="invalid_api_key"), "invalid_api_key", False),
        (400, openai(), "invalid_request_error", False),
        (429, openai(kind="requests", code="rate_limit_exceeded"), "rate_limit_exceeded", True),
        (429, openai(kind="insufficient_quota", code="insufficient_quota"), "insufficient_quota", False),
        (500, openai(kind="server_error"), "server_error", True),
        (503, openai("Loading model", "unavailable_error", 503), "unavailable_error", True),
        (400, {"object": "error", "message": "too long", "code": 400}, "worker.http_400", False),
        (404, {"error": "model 'x' not found"}, "worker.http_404", False),
        (404, {"detail": "Not Found"}, "worker.http_404", False),
        (502, "Bad Gateway", "worker.http_502", True),
        (302, None, "worker.http_302", False),
    ],
)
def test_errors_of_all_shapes_have_a_code(status, body, code, retryable):
    found = refused(status, body)
    assert (found.error.code, found.retryable) == (code, retryable)
    assert found.transport is (status == 502)


def test_the_rate_limit_of_the_headers_goes_with_the_error():
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2s"}
    found = refused(429, openai(code="rate_limit_exceeded") | {"usage": {"prompt_tokens": 3}}, **headers)
    assert found.told == Told(usage=Usage(input_tokens=3), rate_limit=RateLimit(remaining=0, reset_ms=2000))


def test_the_servers_own_word_comes_first():
    error = {"code": "boom", "message": "it broke", "retryable": False, "details": {"d": 1}}
    found = refused(500, {"error": error})
    assert (found.error.message, found.retryable, found.error.details) == ("it broke", False, {"d": 1})


@pytest.mark.parametrize(("code", "retryable"), [(400, False), (429, True), (None, True), ("x", True)])
def test_an_error_in_a_stream_is_judged_by_what_it_says(code, retryable):
    said = error_in(openai(kind="", code=code))
    assert said is not None
    assert refusal(said, 200).retryable is retryable


@pytest.mark.parametrize("body", [{}, [], None, {"error": None}, {"error": {}}, {"error": ""}, {"choices": []}])
def test_what_is_no_error_is_none(body):
    assert error_in(body) is None


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1s", 1000), ("6m0s", 360_000), ("20ms", 20), ("1h2m3.5s", 3_723_500), ("8.64s", 8640), ("2", 2000),
        ("0.5", 500), (str(NOW // 1000 + 7), 7000), (str(NOW + 9), 9), (str(NOW - 9), 0), ("soon", None), ("", None),
        ("1e9", None), ("9" * 15, 86_400_000),
    ],
)  # fmt: skip
def test_servers_say_in_many_ways_when_there_is_more(text, ms):
    assert reset_ms(text, NOW) == ms


def test_the_limit_is_that_of_which_nothing_is_left():
    headers = {
        "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "150000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
    }  # fmt: skip
    assert rate_limit_of(headers, NOW) == {"remaining": 0, "limit": 150_000, "reset_ms": 360_000}
    headers["x-ratelimit-remaining-tokens"] = "1"
    assert rate_limit_of(headers, NOW) == {"remaining": 59, "limit": 60, "reset_ms": 1000}
    assert rate_limit_of({}, NOW) is None


@pytest.mark.parametrize(
    ("headers", "ms"),
    [
        ({"retry-after-ms": "250", "Retry-After": "1"}, 250),
        ({"Retry-After": "7"}, 7000),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "3s"}, 3000),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "3s"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers, ms):
    assert wait_of(headers, NOW) == ms
    assert refused(429, openai(), **{name.replace("-", "_"): text for name, text in headers.items()}) is not None
