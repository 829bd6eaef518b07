"""Secrets: what a worker's webhooks are signed with, and what lets a worker answer one task and nothing else."""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from engine.encoding import Pieces
from engine.model import TaskId
from engine.outbox import Work

PREFIX = "whsec_"
"""What a signing secret begins with when the rest of it is base64 (Standard Webhooks)."""


def new_secret() -> str:
    """A fresh signing secret for a worker: `whsec_` and 32 random bytes as base64."""
    return PREFIX + b64encode(secrets.token_bytes(32)).decode()


@lru_cache(maxsize=1024)
def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: the bytes behind `whsec_`, or the text itself, as it was given."""
    if secret.startswith(PREFIX):
        try:
            return b64decode(secret.removeprefix(PREFIX), validate=True)
        except NotBase64:
            pass
    return secret.encode()


def signature_headers(secret: str, message_id: str, at: int, body: Pieces) -> Mapping[str, str]:
    """The three headers of Standard Webhooks for a message that is sent `at` (milliseconds since the epoch)."""
    seconds = str(at // 1000)
    mac = keyed(signing_key(secret))(f"{message_id}.{seconds}.".encode(), *body)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{b64encode(mac).decode()}",
    }


@lru_cache(maxsize=1024)
def keyed(key: bytes) -> Callable[..., bytes]:
    """HMAC-SHA256 (RFC 2104) of a text in pieces, by a key that is mixed in once: it is used for every task."""
    block = (sha256(key).digest() if len(key) > sha256().block_size else key).ljust(sha256().block_size, b"\0")
    inner, outer = sha256(block.translate(_INNER)), sha256(block.translate(_OUTER))

    def mac(*pieces: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        for piece in pieces:
            within.update(piece)
        around.update(within.digest())
        return around.digest()

    return mac


_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


def server_name(server_secret: bytes) -> str:
    """What a server is called where several share a broker: the same after a restart. It betrays nothing."""
    return hmac.digest(server_secret, b"clew.server.1", sha256).hex()[:16]


def task_secret(server_secret: bytes, task_id: TaskId) -> str:
    """What authorises an answer to this task; nothing about it has to be kept."""
    mac = keyed(server_secret)(b"clew.task.1\0", task_id.encode())
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


def secret_matches(server_secret: bytes, task_id: TaskId, given: str) -> bool:
    """Whether a secret is the one of this task; takes as long for wrong ones as for the right one."""
    return hmac.compare_digest(task_secret(server_secret, task_id).encode(), given.encode(errors="replace"))


def _quoted(text: str) -> str:
    """A text as a part of an address; ids and tokens that are made here are as they stand."""
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")


def reply_addresses(public_url: str, server_secret: bytes) -> Callable[[Work], str]:
    """How the address is made at which a worker may answer a task later, by the base of all addresses of the server."""
    base = f"{public_url.rstrip('/')}/v1/tasks"

    def reply_to(work: Work) -> str:
        secret = work.secret or task_secret(server_secret, work.task_id)
        return f"{base}/{_quoted(work.task_id)}/result?token={_quoted(secret)}"

    return reply_to
