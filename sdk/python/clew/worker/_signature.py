"""Whether a request comes from the server: signatures as Standard Webhooks prescribes them."""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from hashlib import sha256

PREFIX = "whsec_"
TOLERANCE_S = 300.0


def new_secret() -> str:
    """A fresh secret: `whsec_` and 32 random bytes as base64."""
    return PREFIX + b64encode(secrets.token_bytes(32)).decode()


def fault_of(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str | None:
    """What is wrong with the signature of a request, or None. Header names are in lower case, `now` in seconds since
    the epoch."""
    message_id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not at.isascii() or not at.isdigit():
        return "the request is not signed: webhook-id, webhook-timestamp or webhook-signature is missing"
    if abs(now - int(at[:15])) > TOLERANCE_S:
        return "the signature is too old, or the clocks differ by more than 5 minutes"
    mac = hmac.digest(_key(secret), f"{message_id}.{at}.".encode() + body, sha256)
    right = f"v1,{b64encode(mac).decode()}".encode()
    given = headers.get("webhook-signature", "").encode(errors="replace").split()
    # All are compared, so that it takes as long whichever is the right one.
    found = [hmac.compare_digest(right, one) for one in given]
    return None if any(found) else "the signature is not one of this body with this worker's secret"


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return b64decode(secret.removeprefix(PREFIX), validate=True)
        except NotBase64:
            pass
    return secret.encode()
