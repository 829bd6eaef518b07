"""What runs wait for in time, beyond attempts: durable timers, set with the commit that wants them, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.driver.turn import Live, Turn
from engine.failure import timed_out
from engine.model import TERMINAL, Commit, Kind, TaskId

if TYPE_CHECKING:
    from engine.driver.delivery import Delivery

TIMEOUT = "timeout"
BEGINNINGS = frozenset({Kind.START, Kind.FORK, Kind.REPLAY, Kind.CHECKOUT, Kind.RETRY})
"""The commits from which on the time of a run is counted."""


class Waits:
    """Sets the timers of commits, and does what is due when their time has come. A timer of a run as a whole goes by
    the run's id in place of a task's."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def follow(self, turn: Turn, live: Live, commit: Commit) -> None:
        """Set or clear what a commit asks for."""
        run = live.run
        if commit.kind in BEGINNINGS and run.timeout_ms is not None and commit.status not in TERMINAL:
            run.timeout_at = commit.at + run.timeout_ms
            self._set(turn, live, TaskId(run.id), TIMEOUT, run.timeout_at)
        if commit.status in TERMINAL and run.timeout_at is not None:
            run.timeout_at = None
            turn.effects.append(lambda: self.delivery.timers.clear(TaskId(run.id)))

    def go_on(self, turn: Turn, live: Live) -> None:
        """Wait again for what a run waits for that was read from the store."""
        run = live.run
        if run.timeout_at is not None and run.status not in TERMINAL:
            self.delivery.timers.set(run.timeout_at, run.key, TaskId(run.id), TIMEOUT)

    def due(self, turn: Turn, live: Live, kind: str) -> bool:
        """Do what is due; False for a timer that is none of these."""
        run = live.run
        if kind != TIMEOUT:
            return False
        if run.status not in TERMINAL and not run.failing and (run.timeout_at or 0) <= turn.now:
            self.delivery.take(turn, live, timed_out(run, turn.now))
        return True

    def _set(self, turn: Turn, live: Live, task_id: TaskId, kind: str, due_at: int) -> None:
        key = live.run.key
        turn.set_timer(live, task_id, kind, due_at)
        turn.effects.append(lambda: self.delivery.timers.set(due_at, key, task_id, kind))
