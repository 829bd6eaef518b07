"""Answers that are too large are the same failure over every broker."""

from __future__ import annotations

import pytest

from dispatch import _mqtt_replies, _redis_intake
from dispatch._inbox import MAX_BODY


@pytest.mark.parametrize("read", [_mqtt_replies._answer, _redis_intake._answer], ids=["mqtt", "redis"])
def test_what_is_larger_than_over_http_is_a_failed_attempt(read):
    body = b'"%b"' % (b"x" * (MAX_BODY - 2))
    assert read(body) == "x" * (MAX_BODY - 2)
    error = read(body + b" ")["error"]
    assert (error["code"], error["retryable"]) == ("answer.too_large", False)
