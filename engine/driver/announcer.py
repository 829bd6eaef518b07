"""Notices of runs: written in the transaction that brings a run to where somebody is told of it, then handed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.announcement import Said, notice_of, pushed, seen
from engine.driver.turn import Live, Turn, head_of
from engine.model import JUMPS, Commit, Kind, RunStatus
from engine.notices import Notice

Render = Callable[[str, Mapping[str, Any]], Sequence[Said]]
"""What is said of a run, as lists show it, in one of the forms of pushes; in the order in which it is to be heard."""


def _nobody(notice: Notice) -> None:
    """Where nobody delivers notices they stay in the store, for a server that does."""


def _nothing(form: str, run: Mapping[str, Any]) -> Sequence[Said]:
    """Where nobody knows a form there is nothing to say in it."""
    return ()


class Announcer:
    """Tells `deliver` of each notice once it is durable; `render` makes what pushes are told."""

    def __init__(self) -> None:
        self.deliver: Callable[[Notice], None] = _nobody
        self.render: Render = _nothing

    def follow(self, turn: Turn, live: Live, before: RunStatus, commit: Commit | None = None) -> None:
        """Write down what there is to tell now that a run's status, which was `before`, may be another one. A commit
        that moves a run to another line brings it to a status anew, even to the same one."""
        self._hook(turn, live, before, commit)
        if live.head.pushes and (live.run.status is not before or _begins(commit)):
            self._push(turn, live)

    def _hook(self, turn: Turn, live: Live, before: RunStatus, commit: Commit | None) -> None:
        run, hook = live.run, live.head.hook
        moved = commit is not None and (commit.kind in JUMPS or commit.kind is Kind.FORK)
        if hook is None or (run.status is before and not moved):
            return
        if moved or before in hook.events:
            turn.withdraw_notices(run.key)
        if run.status in hook.events:
            self._write(turn, notice_of(run, live.head, hook, turn.now))

    def _push(self, turn: Turn, live: Live) -> None:
        """Pushes are told of every status, and nothing of that is taken back."""
        run = seen(live.run, head_of(live, turn.now))
        said = {form: self.render(form, run) for form in {push.form for push in live.head.pushes}}
        for push in live.head.pushes:
            for notice in pushed(live.run, live.head, push, said[push.form], turn.now):
                self._write(turn, notice)

    def _write(self, turn: Turn, notice: Notice) -> None:
        turn.batch.notices.append(notice)
        turn.effects.append(lambda: self.deliver(notice))


def _begins(commit: Commit | None) -> bool:
    """Whether a run begins with a commit."""
    return commit is not None and (commit.kind is Kind.FORK or (commit.kind is Kind.START and commit.task is None))
