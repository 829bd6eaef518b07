"""To which request, which attempt at it and whose hands an answer belongs that a worker gives by a call of its own."""

from __future__ import annotations

from engine.errors import Conflict
from engine.progress import Progress
from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a worker was sent of a task: the request that came after so many others, the attempt, and how often the task
    had been taken from a worker by then (None: unknown)."""

    requests: int
    attempt: int | None
    moves: int | None = None


def attempt_of(sent: Sent | None, progress: Progress | None) -> int | None:
    """The attempt to which what is answered to `sent` belongs: None where that is the one which is open, or is not
    known, and 0 where it belongs to a request that is over."""
    if sent is None or progress is None:
        return None
    return 0 if sent.requests < progress.requests else sent.attempt


def was_taken(sent: Sent | None, progress: Progress | None) -> bool:
    """Whether the attempt that is open was taken from this worker, and is for another one. The answer of this one
    counts as long as it is the first; that it failed, and what it reports, does not."""
    if sent is None or progress is None or sent.moves is None:
        return False
    return sent.attempt == progress.attempt and sent.moves < progress.moves


def require_held(sent: Sent | None, progress: Progress) -> None:
    """Raise Conflict where the attempt was taken from this worker."""
    if was_taken(sent, progress):
        raise Conflict("the task was taken from this worker and given to another one: it can stop", "task.moved")
