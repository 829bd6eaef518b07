"""Signatures of webhooks, and the secrets in `reply_to`."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

from dispatch._secrets import (
    new_secret,
    reply_addresses,
    secret_matches,
    signature_headers,
    signing_key,
    task_secret,
)
from engine.model import TaskId
from tests.unit.dispatch.builders import a_work

TASK = TaskId("t1")


def test_a_signature_is_that_of_standard_webhooks():
    """The example of the reference implementation."""
    headers = signature_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330_000,
        (b'{"test": ', b"2432232314}"),
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_secret_that_is_not_base64_is_taken_as_it_is():
    assert signing_key("plain") == b"plain"
    assert signing_key("whsec_not base64") == b"whsec_not base64"
    assert signing_key("whsec_AAEC") == b"\0\1\2"


def test_new_secrets_are_random_and_long():
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(b64decode(first.removeprefix("whsec_"), validate=True)) == 32


def test_the_secret_of_a_task_opens_that_task_alone():
    secret = task_secret(b"key", TASK)
    assert secret_matches(b"key", TASK, secret)
    assert not secret_matches(b"key", TaskId("t2"), secret)
    assert not secret_matches(b"other", TASK, secret)
    for wrong in ("", secret[:-1], secret + "A", "ü\ud800"):
        assert not secret_matches(b"key", TASK, wrong)


def test_reply_to_carries_the_secret_and_survives_the_way():
    url = urlsplit(reply_addresses("https://clew.test/base/", b"key")(a_work()))
    assert (url.netloc, url.path) == ("clew.test", "/base/v1/tasks/t1/result")
    assert secret_matches(b"key", TASK, parse_qs(url.query)["token"][0])


def test_reply_to_uses_the_secret_that_the_work_brings():
    assert (
        reply_addresses("http://c", b"key")(a_work("a/b", secret="s&t")) == "http://c/v1/tasks/a%2Fb/result?token=s%26t"
    )
