"""Sessions: who has a place in one, and how a run begins while another one is not over (language 3.5)."""

from __future__ import annotations

from enum import StrEnum

from engine.errors import Conflict
from engine.kinds import TERMINAL, RunStatus
from engine.values import dataclass


class OnBusy(StrEnum):
    """What is done where a run is to begin while another one of its session is not over."""

    REJECT = "reject"
    ENQUEUE = "enqueue"
    CANCEL = "cancel"
    INTERRUPT = "interrupt"


RANKS = {OnBusy.REJECT: 3, OnBusy.CANCEL: 2, OnBusy.INTERRUPT: 1, OnBusy.ENQUEUE: 0}
"""Who waits in a session goes in this order, the highest first, and of equals as in any other line: who does not wait
for others, then who cancels the run that goes on, then who stops it, then who waits for its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place of a run in a session. `place` counts the runs of a session as they begin, from 1; None: it has not
    begun. `waits` says how a run waits for its turn, and what is done for it where the session is busy then."""

    session: str
    place: int | None = None
    waits: OnBusy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session as it is listed. `updated_at` is when a run of it was asked for, or began, last."""

    id: str
    created_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """The run that began last in a session, as far as others wait for it. `held`: it does nothing by itself."""

    status: RunStatus
    held: bool = False

    @property
    def over(self) -> bool:
        return self.status in TERMINAL

    @property
    def rests(self) -> bool:
        """Whether a run may be begun beside it that does not wait for its end."""
        return self.over or self.held or self.status is RunStatus.INTERRUPTED


class Way(StrEnum):
    """How a run comes into its session."""

    BEGIN = "begin"
    WAIT = "wait"
    CANCEL = "cancel"
    STOP = "stop"
    REFUSE = "refuse"


def way_in(on_busy: OnBusy, last: Last | None, *, queue: bool, session: str) -> Way:
    """How a run begins that is asked for now; `queue` says that others wait already. Those that wait for nobody's end
    go ahead of them. Raises Conflict where the session is busy, and that is to be said."""
    if (last is None or last.over) and not queue:
        return Way.BEGIN
    match on_busy:
        case OnBusy.REJECT:
            raise busy(session)
        case OnBusy.ENQUEUE:
            return Way.WAIT
        case OnBusy.CANCEL:
            return Way.BEGIN if last is None or last.over else Way.CANCEL
        case OnBusy.INTERRUPT:
            return Way.BEGIN if last is None or last.rests else Way.WAIT


def way_on(waits: OnBusy | None, last: Last | None) -> Way:
    """What is done for the first of those that wait: it begins, or waits for the end of the run that began last, or
    that one is cancelled or has to stop for it. One that was to be refused has waited for its time alone."""
    if last is None or last.over:
        return Way.BEGIN
    match waits:
        case OnBusy.REJECT:
            return Way.REFUSE
        case OnBusy.CANCEL:
            return Way.BEGIN if last.held else Way.CANCEL
        case OnBusy.INTERRUPT:
            return Way.BEGIN if last.rests else Way.STOP
        case _:
            return Way.WAIT


def busy(session: str) -> Conflict:
    """A run of a session is not over, and another one does not want to wait for that."""
    return Conflict(
        f"a run of session '{session}' is not over; wait for it, or say by 'on_busy' what is to be done",
        "session.busy",
    )
