"""Runs that are queued: they are there, with all that they were given, and have no commit until they begin."""

from __future__ import annotations

from engine import control
from engine.commits import Step
from engine.driver.delivery import Delivery
from engine.driver.turn import Live, Turn
from engine.model import RunStatus
from engine.values import replace


def queue(turn: Turn, live: Live, reason: str) -> None:
    """Have a new run wait, and say why."""
    live.run.status = RunStatus.QUEUED
    turn.create(live)
    say_why(turn, live, reason)


def say_why(turn: Turn, live: Live, reason: str) -> None:
    """Say why a run is queued, or why it still is."""
    live.head = replace(live.head, reason=reason)
    turn.note(live, "run", None, {"status": RunStatus.QUEUED, "reason": reason})


def say(turn: Turn, live: Live, reason: str) -> None:
    """The same where something else was said before, and it still is."""
    if live.run.status is RunStatus.QUEUED and live.head.reason != reason:
        say_why(turn, live, reason)


def begin(turn: Turn, live: Live, delivery: Delivery, first: Step | None = None) -> bool:
    """Begin a run that is queued, by `first` or as it was asked to start; False where it does not wait any more.
    Raises Invalid."""
    if live.run.status is not RunStatus.QUEUED:
        return False
    delivery.take(turn, live, first or control.start(live.run, turn.now, live.head.trigger))
    return True
