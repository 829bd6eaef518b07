"""Notices of runs: written in the transaction that brings a run to where somebody is told of it, then handed on."""

from __future__ import annotations

from collections.abc import Callable

from engine.announcement import notice_of
from engine.driver.turn import Live, Turn
from engine.model import JUMPS, Commit, Kind, RunStatus
from engine.notices import Notice


def _nobody(notice: Notice) -> None:
    """Where nobody delivers notices they stay in the store, for a server that does."""


class Announcer:
    """Tells `deliver` of each notice once it is durable."""

    def __init__(self) -> None:
        self.deliver: Callable[[Notice], None] = _nobody

    def follow(self, turn: Turn, live: Live, before: RunStatus, commit: Commit | None = None) -> None:
        """Write down what there is to tell now that a run's status, which was `before`, may be another one. A commit
        that moves a run to another line brings it to a status anew, even to the same one."""
        run, hook = live.run, live.head.hook
        moved = commit is not None and (commit.kind in JUMPS or commit.kind is Kind.FORK)
        if hook is None or (run.status is before and not moved):
            return
        if moved or before in hook.events:
            turn.withdraw_notices(run.key)
        if run.status in hook.events:
            notice = notice_of(run, live.head, hook, turn.now)
            turn.batch.notices.append(notice)
            turn.effects.append(lambda: self.deliver(notice))
