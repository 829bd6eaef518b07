"""What a protocol module provides, and what it is given: the way from a chosen worker to its reply.

A public module of this package is a protocol, by its name. It has `open_transport(tools: Tools) -> Transport` and
`check_address(address: str) -> str | None`, which says what is wrong with the `url` of a worker. One whose workers are
code that runs in this process sets `IN_PROCESS = True`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from dispatch._http import Http
from engine.encoding import Pieces
from engine.model import ErrorInfo, TaskId
from engine.outbox import Refused, Reply
from engine.ports import WorkerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What transports share: the HTTP client, closed by whoever made it, and the time in ms since the epoch."""

    http: Http
    clock: Callable[[], int]


class Transport(Protocol):
    """One way to reach workers."""

    async def deliver(self, worker: WorkerRow, body: Pieces, headers: Mapping[str, str], timeout_s: float) -> Reply:
        """Bring the envelope `body`, which comes in pieces, to the worker and wait for what it says at once.

        `headers` holds what every protocol carries beside the body (`Idempotency-Key`, `traceparent`). The caller ends
        the wait after `timeout_s` by cancelling; nothing may be left behind then. Unreachable is for attempts of which
        the worker has seen nothing; every other failure is a Refused.
        """

    def prepare(self, worker: WorkerRow, body: Pieces, headers: Mapping[str, str]) -> None:
        """Work out, while there is time for it, what `deliver` needs to know of a long body; it may never come."""

    async def cancel(self, worker: WorkerRow, task_id: TaskId, headers: Mapping[str, str]) -> None:
        """Tell a worker that nobody wants its answer to a task any more, where it can be told. The caller ends the
        wait; a delivery that is under way was cancelled before. Raises nothing for a worker that cannot be reached."""

    async def close(self) -> None:
        """Release what the transport holds; idempotent."""


def refused(
    code: str,
    message: str,
    *,
    retryable: bool | None = None,
    retry_after_ms: int | None = None,
    transport: bool = False,
    details: Any = None,
) -> Refused:
    """A failed attempt, with its error object."""
    return Refused(
        error=ErrorInfo(code=code, message=message, retryable=retryable, details=details),
        retryable=retryable,
        retry_after_ms=retry_after_ms,
        transport=transport,
    )
