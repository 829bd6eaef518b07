"""What an answer to a notice means, and where notices may be sent."""

from __future__ import annotations

import pytest

from dispatch._address import check_hook_url
from dispatch._notice import attempt_of
from engine.notices import Attempt
from tests.unit.dispatch.builders import NOW
from tests.unit.dispatch.test_reply import a_response


@pytest.mark.parametrize("status", [200, 202, 204, 299])
def test_any_2xx_is_an_arrival_whatever_it_says(status):
    assert attempt_of(a_response(status, raw=b"not JSON"), NOW) == Attempt()


@pytest.mark.parametrize("status", [301, 400, 404, 408, 429, 500, 503])
def test_all_else_is_tried_again(status):
    attempt = attempt_of(a_response(status), NOW)
    assert (attempt.error, attempt.final) == (f"HTTP {status}", False)


def test_a_410_is_not_tried_again():
    assert attempt_of(a_response(410), NOW).final


def test_the_receiver_may_say_when_to_come_again():
    assert attempt_of(a_response(503, Retry_After="7"), NOW).retry_after_ms == 7000


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/told", "https://told.example/a?b=c"])
def test_addresses_of_http_are_allowed(url):
    assert check_hook_url(url) is None


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://told.example", "begin"),
        ("http://", "host"),
        ("http://a:b@told.example", "`secret`"),
        ("http://a b", "sp"),
    ],
)
def test_others_are_refused_with_the_reason(url, word):
    assert word in (check_hook_url(url) or "")
