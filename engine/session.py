"""Sessions: who has a place in one, and how a run begins while another one is not over (language 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from engine.errors import Conflict
from engine.kinds import TERMINAL, RunStatus


class OnBusy(StrEnum):
    """What is done where a run is to begin while another one of its session is not over."""

    REJECT = "reject"
    ENQUEUE = "enqueue"
    CANCEL = "cancel"
    INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """The place of a run in a session. `place` counts the runs of a session as they begin, from 1; None: it has not
    begun. `waits` says how a run waits for its turn: for the end of the one before, or until that stops."""

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


def way_in(on_busy: OnBusy, last: Last | None, *, queue: bool, session: str) -> Way:
    """How a run begins that is asked for now; `queue` says that others wait already. Those that wait for nobody's end
    go ahead of them. Raises Conflict where the session is busy, and that is to be said."""
    if (last is None or last.over) and not queue:
        return Way.BEGIN
    match on_busy:
        case OnBusy.REJECT:
            raise Conflict(
                f"a run of session '{session}' is not over; wait for it, or say by 'on_busy' what is to be done",
                "session.busy",
            )
        case OnBusy.ENQUEUE:
            return Way.WAIT
        case OnBusy.CANCEL:
            return Way.BEGIN if last is None or last.over else Way.CANCEL
        case OnBusy.INTERRUPT:
            return Way.BEGIN if last is None or last.rests else Way.WAIT


def may_begin(seat: Seat, last: Last | None) -> bool:
    """Whether the first of those that wait may begin."""
    return last is None or last.over or (seat.waits is OnBusy.INTERRUPT and last.rests)
