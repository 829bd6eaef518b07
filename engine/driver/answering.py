"""To which request, and which attempt at it, an answer belongs that a worker gives by a call of its own."""

from __future__ import annotations

from engine.progress import Progress
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a worker was sent of a task: the request that came after so many others, and the attempt (None: unknown)."""

    requests: int
    attempt: int | None


def attempt_of(sent: Sent | None, progress: Progress | None) -> int | None:
    """The attempt to which what is answered to `sent` belongs: None where that is the one which is open, or is not
    known, and 0 where it belongs to a request that is over."""
    if sent is None or progress is None:
        return None
    return 0 if sent.requests < progress.requests else sent.attempt
