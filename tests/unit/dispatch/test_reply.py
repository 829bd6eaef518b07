"""What an HTTP response means for an attempt."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from dispatch._http import Broken, NotConnected, Response, TooLarge, Unsendable
from dispatch._reply import reply_of, reply_of_failure, retry_after_ms
from engine.answer import NOTHING_TOLD, RateLimit, Told
from engine.model import Usage
from engine.outbox import Accepted, Answered, Refused, Unreachable
from tests.unit.dispatch.builders import NOW


def a_response(
    status: int = 200, body: Any = None, *, raw: bytes | None = None, kind: str = "application/json", **headers: str
) -> Response:
    return Response(
        status=status,
        reason="",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        content_type=kind,
        charset="utf-8",
        body=orjson.dumps(body) if raw is None else raw,
    )


def refused(response: Response) -> Refused:
    reply = reply_of(response, NOW)
    assert isinstance(reply, Refused)
    assert reply.error.retryable is reply.retryable
    return reply


@pytest.mark.parametrize("status", [200, 201, 203, 299])
def test_a_2xx_is_an_answer(status):
    assert reply_of(a_response(status, {"output": 1}), NOW) == Answered(body={"output": 1})


def test_a_202_says_that_the_answer_follows():
    assert reply_of(a_response(202, {"output": 1}), NOW) == Accepted()


@pytest.mark.parametrize(
    ("raw", "kind", "body"),
    [
        (b"", "application/json", None),
        (b"", "", None),
        (b'"text"', "application/json", "text"),
        (b"[1]", "application/problem+json", [1]),
        (b"[1]", "", [1]),
        (b"[1]", "text/html", [1]),
        (b"[1]", "text/plain", "[1]"),
        ("grüß".encode(), "text/plain", "grüß"),
        (b"<p>", "text/html", "<p>"),
        (b"{broken", "", "{broken"),
    ],
)
def test_a_body_is_json_or_text(raw, kind, body):
    assert reply_of(a_response(raw=raw, kind=kind), NOW) == Answered(body=body)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"{broken", "application/json"),
        (b"NaN", "text/json"),
        (b"\xff\xfe", "application/octet-stream"),
        (b"[" * 80 + b"]" * 80, "text/html"),
    ],
)
def test_a_body_that_is_not_what_it_says_makes_the_answer_invalid(raw, kind):
    reply = refused(a_response(raw=raw, kind=kind))
    assert (reply.error.code, reply.retryable, reply.transport) == ("answer.invalid", True, False)


@pytest.mark.parametrize("number", [b"9223372036854775808", b"-9223372036854775809"])
def test_an_integer_that_no_state_can_hold_fails_as_an_update_would(number):
    reply = refused(a_response(raw=b'{"updates": {"n": %b}}' % number))
    assert (reply.error.code, reply.retryable, reply.transport) == ("state.invalid", False, False)


def test_an_unknown_charset_makes_the_answer_invalid():
    response = Response(status=200, reason="", headers={}, content_type="text/plain", charset="klingon", body=b"x")
    assert refused(response).error.code == "answer.invalid"


@pytest.mark.parametrize(
    ("status", "retryable", "transport"),
    [
        (301, False, False),
        (302, False, False),
        (400, False, False),
        (404, False, False),
        (422, False, False),
        (408, True, False),
        (429, True, False),
        (500, True, False),
        (501, True, False),
        (502, True, True),
        (503, True, True),
        (504, True, True),
        (599, True, False),
    ],
)
def test_a_status_says_whether_another_try_makes_sense(status, retryable, transport):
    reply = refused(a_response(status, raw=b"oh no", kind="text/plain"))
    assert (reply.error.code, reply.retryable, reply.transport) == (f"worker.http_{status}", retryable, transport)
    assert reply.error.details == {"status": status, "body": "oh no"}


@pytest.mark.parametrize("status", [400, 500, 503])
def test_the_error_object_of_a_body_is_the_error_and_not_one_of_transport(status):
    reply = refused(a_response(status, {"error": {"code": "boom", "message": "it broke", "details": {"d": 1}}}))
    assert (reply.error.code, reply.error.message, reply.error.details) == ("boom", "it broke", {"d": 1})
    assert (reply.retryable, reply.transport) == (status >= 500, False)


@pytest.mark.parametrize(("status", "said"), [(400, True), (500, False)])
def test_the_error_object_decides_whether_another_try_makes_sense(status, said):
    assert refused(a_response(status, {"error": {"code": "c", "retryable": said}})).retryable is said


@pytest.mark.parametrize("body", [{"error": "gone"}, {"error": {"code": ["c"]}}, {"error": None}, ["error"], "error"])
def test_what_is_no_error_object_leaves_the_status_to_speak(body):
    reply = refused(a_response(503, body))
    assert (reply.error.code, reply.transport) == ("worker.http_503", True)


@pytest.mark.parametrize("status", [400, 429, 500, 503])
@pytest.mark.parametrize("error", [{"error": {"code": "c"}}, {"error": "no object"}, {}])
def test_what_a_body_says_beside_the_error_goes_with_the_refusal(status, error):
    events = [{"stage": "s"}]
    reply = refused(
        a_response(status, {**error, "usage": {"input_tokens": 7}, "events": events, "rate_limit": {"remaining": 0}})
    )
    assert reply.told == Told(usage=Usage(input_tokens=7), events=tuple(events), rate_limit=RateLimit(remaining=0))
    assert reply.transport is (status == 503 and error.get("error") in (None, "no object"))


@pytest.mark.parametrize("raw", [b"", b"{broken", b"[1]", b'"text"', b'{"usage": 5, "events": [1], "rate_limit": []}'])
def test_what_says_nothing_beside_the_error_tells_nothing(raw):
    assert refused(a_response(500, raw=raw)).told == NOTHING_TOLD


def test_a_redirect_is_named_as_what_is_wrong():
    assert "redirects are not followed" in refused(a_response(307, raw=b"")).error.message


def test_only_an_excerpt_of_a_large_body_is_kept():
    details = refused(a_response(500, raw=b"x" * 100_000)).error.details
    assert len(details["body"]) == 1000


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("3", 3_000),
        (" 0 ", 0),
        ("Thu, 01 Jan 2026 00:00:07 GMT", 7_000),
        ("Thu, 01 Jan 2026 00:00:07 -0000", 7_000),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0),
        ("99999999999999999999", 86_400_000),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400_000),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, wait):
    assert retry_after_ms(value, NOW) == wait


def test_retry_after_goes_with_the_refusal():
    assert refused(a_response(429, raw=b"", Retry_After="2")).retry_after_ms == 2_000


def test_a_request_without_a_response_is_a_reply_too():
    assert reply_of_failure(NotConnected("m")) == Unreachable(message="m")
    codes = {}
    for failure in (Broken("m"), TooLarge("m"), Unsendable("m")):
        reply = reply_of_failure(failure)
        assert isinstance(reply, Refused)
        codes[reply.error.code] = (reply.retryable, reply.transport)
    assert codes == {
        "worker.connection": (True, True),
        "answer.too_large": (False, False),
        "worker.invalid": (False, False),
    }
