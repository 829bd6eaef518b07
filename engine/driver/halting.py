"""Runs that are to stop at their next checkpoint, for another one of their session waits for that."""

from __future__ import annotations

from collections.abc import Callable

from engine import stopping
from engine.commits import Step
from engine.driver.turn import Live, Turn

ACTOR = "session"
Take = Callable[[Turn, Live, Step], None]


def halt(turn: Turn, live: Live, take: Take) -> None:
    """Have a run stop. That it is to is known from who waits, also after a crash."""
    found = stopping.stop(live.run, turn.now, ACTOR)
    if found is not None:
        take(turn, live, found)


def halt_again(turn: Turn, live: Live, take: Take) -> None:
    """Have a task of a run that is to stop wait no longer for anything but that it goes on."""
    if stopping.is_stopping(live.run):
        halt(turn, live, take)
