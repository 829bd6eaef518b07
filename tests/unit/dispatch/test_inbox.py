"""Answers that come by a broker: what their bodies say, and that too large ones are a failure."""

from __future__ import annotations

import pytest

from dispatch._body import answer_in
from dispatch._inbox import MAX_BODY


@pytest.mark.parametrize(
    ("body", "answer"),
    [(b"", None), (b"all done", "all done"), (b"[1,", "[1,"), (b"null", None), (b'{"output": 1}', {"output": 1})],
)
def test_a_body_is_json_or_text_or_nothing(body, answer):
    assert answer_in(body) == answer


@pytest.mark.parametrize(("body", "code"), [(b"\xff\xfe", "answer.invalid"), (b"1" * 30, "state.invalid")])
def test_what_cannot_be_read_is_a_failed_attempt(body, code):
    error = answer_in(body)["error"]
    assert (error["code"], error["retryable"]) == (code, code == "answer.invalid")


def test_what_is_larger_than_over_http_is_a_failed_attempt():
    body = b'"%b"' % (b"x" * (MAX_BODY - 2))
    assert answer_in(body) == "x" * (MAX_BODY - 2)
    error = answer_in(body + b" ")["error"]
    assert (error["code"], error["retryable"]) == ("answer.too_large", False)
