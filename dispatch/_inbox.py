"""Where transports take what workers send by other ways than a response: durable before it is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.values import dataclass

MAX_BODY = 8 * 1024 * 1024
"""Bytes of an answer, as over HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of something that a worker sent. It is durable, or refused for good: it can be acknowledged.

    `code` and `message` say why it changes nothing; they are empty where it was taken. `wanted` is False when nobody
    waits for the task any more.
    """

    code: str = ""
    message: str = ""
    wanted: bool = True

    @property
    def taken(self) -> bool:
        return not self.code


def too_large() -> dict[str, Any]:
    """What stands for an answer that is larger than what is read: a failed attempt, so that nobody waits for it."""
    message = f"the answer is larger than {MAX_BODY} bytes; pass what is large as an artifact"
    return {"error": {"code": "answer.too_large", "message": message, "retryable": False}}


class Inbox(Protocol):
    """Takes what workers send. A request is named by its correlation id, which authorises it.

    All of these raise StoreUnavailable, and nothing else: then it is not known whether anything was written, and it has
    to be given again, later; it may be given twice.
    """

    async def result(self, correlation_id: str, body: Any) -> Receipt:
        """Apply an answer."""

    async def report(self, correlation_id: str, reports: Sequence[Mapping[str, Any]]) -> Receipt:
        """Note what a worker reports: stage, progress, message, chunks, data."""

    async def heartbeat(self, correlation_id: str) -> Receipt:
        """Note that a worker is at it."""
