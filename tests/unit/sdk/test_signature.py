"""The worker's check of signatures against the server's own signing."""

from __future__ import annotations

import pytest

from clew.worker._signature import fault_of, new_secret
from dispatch._secrets import signature_headers

NOW = 1_800_000_000
BODY = b'{"task_id": "t"}'


@pytest.mark.parametrize("secret", [new_secret(), "plain text", "whsec_no base64"], ids=["new", "text", "odd"])
def test_what_the_server_signs_is_right(secret: str) -> None:
    headers = dict(signature_headers(secret, "t", NOW * 1000, (BODY[:4], BODY[4:])))
    assert fault_of(secret, headers, BODY, NOW + 200) is None
    several = {**headers, "webhook-signature": f"v1,bm8= {headers['webhook-signature']}"}
    assert fault_of(secret, several, BODY, NOW) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"webhook-id": "u"}, "not one of this body"),
        ({"webhook-timestamp": str(NOW + 1)}, "not one of this body"),
        ({"webhook-timestamp": str(NOW - 301)}, "too old"),
        ({"webhook-timestamp": "²"}, "not signed"),
        ({"webhook-id": ""}, "not signed"),
        ({"webhook-signature": ""}, "not one of this body"),
    ],
)
def test_what_was_changed_is_not(change: dict[str, str], says: str) -> None:
    headers = {**signature_headers("secret", "t", NOW * 1000, (BODY,)), **change}
    assert says in str(fault_of("secret", headers, BODY, NOW))


def test_another_body_or_secret_is_not() -> None:
    headers = dict(signature_headers("secret", "t", NOW * 1000, (BODY,)))
    assert fault_of("secret", headers, BODY + b" ", NOW)
    assert fault_of("other", headers, BODY, NOW)
