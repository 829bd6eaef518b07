"""What runs wait for in time, beyond attempts: durable timers, set with the commit that wants them, and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.driver import stalls
from engine.driver.stalls import STALL
from engine.driver.turn import Live, Turn
from engine.expiry import expire
from engine.failure import timed_out
from engine.model import TERMINAL, Commit, InterruptOpened, Kind, TaskId, TaskStatus
from engine.planner import Timed
from engine.progress import TIMER
from engine.subgraphs import timed_out as timed_out_frame

if TYPE_CHECKING:
    from engine.driver.delivery import Delivery

TIMEOUT, EXPIRY, SLEEP, FRAME = "timeout", "expiry", "sleep", "frame"
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
        self._follow_whole(turn, live, commit)
        for task_id, nested in commit.frames:
            limit = run.node_of(run.tasks[task_id]).spec.timeout_ms
            if limit is not None and (nested.turn == 1 or commit.kind is not Kind.START):
                self._set(turn, live, task_id, FRAME, commit.at + limit)
        if commit.interrupt is not None and commit.status not in TERMINAL:
            self._expires(turn, live, commit.interrupt)
        elif commit.kind is Kind.RETRY:
            for opened in run.interrupts.values():
                self._expires(turn, live, opened)

    def _follow_whole(self, turn: Turn, live: Live, commit: Commit) -> None:
        """Set or clear the timers of the run as a whole."""
        run = live.run
        if commit.status in TERMINAL:
            if run.timeout_at is not None or stalls.limit_of(run) is not None:
                run.timeout_at = None
                turn.effects.append(lambda: self.delivery.timers.clear(TaskId(run.id)))
            return
        if commit.kind not in BEGINNINGS:
            return
        if run.timeout_ms is not None:
            run.timeout_at = commit.at + run.timeout_ms
            self._set(turn, live, TaskId(run.id), TIMEOUT, run.timeout_at)
        if stalls.limit_of(run) is not None:
            turn.effects.append(lambda: stalls.watch(self.delivery, live, commit.at))

    def _expires(self, turn: Turn, live: Live, opened: InterruptOpened) -> None:
        if opened.expires_at is not None:
            self._set(turn, live, opened.task_id, EXPIRY, opened.expires_at)

    def go_on(self, turn: Turn, live: Live) -> None:
        """Wait again for what a run waits for that was read from the store."""
        run = live.run
        stalls.watch(self.delivery, live, turn.now)
        if run.timeout_at is not None and run.status not in TERMINAL:
            self.delivery.timers.set(run.timeout_at, run.key, TaskId(run.id), TIMEOUT)
        for task_id, name in run.frames.nests.items():
            limit = run.node_of(run.tasks[task_id]).spec.timeout_ms
            if limit is not None:
                self.delivery.timers.set(run.frames[name].began_at + limit, run.key, task_id, FRAME)
        for task_id, progress in run.progress.items():
            if progress.sleeps and progress.due_at is not None:
                run.unready(task_id)
                self.delivery.timers.set(progress.due_at, run.key, task_id, SLEEP)
        for opened in () if run.status in TERMINAL or run.failing else run.interrupts.values():
            if opened.expires_at is not None:
                self.delivery.timers.set(opened.expires_at, run.key, opened.task_id, EXPIRY)

    def due(self, turn: Turn, live: Live, task_id: TaskId, kind: str) -> bool:
        """Do what is due; False for a timer that is none of these."""
        run = live.run
        if kind in (EXPIRY, SLEEP, FRAME):
            {EXPIRY: self._expire, SLEEP: self._wake, FRAME: self._end_frame}[kind](turn, live, task_id)
            return True
        if kind == STALL:
            stalls.look(self.delivery, turn, live)
            return True
        if kind != TIMEOUT:
            return False
        if run.status not in TERMINAL and not run.failing and (run.timeout_at or 0) <= turn.now:
            self.delivery.take(turn, live, timed_out(run, turn.now))
        return True

    def sleep(self, turn: Turn, live: Live, found: Timed) -> None:
        """Have a task wait until its time; that it does, and until when, is durable with the turn."""
        progress = live.run.set_status(found.task.id, TaskStatus.WAITING)
        progress.reason, progress.due_at = TIMER, found.due_at
        progress.started_at = progress.started_at or turn.now
        body = {"node": found.task.node, "reason": TIMER, "due_at": found.due_at}
        turn.note(live, "waiting", found.task.id, body)
        self._set(turn, live, found.task.id, SLEEP, found.due_at)

    def _wake(self, turn: Turn, live: Live, task_id: TaskId) -> None:
        run, progress = live.run, live.run.progress.get(task_id)
        if progress is None or run.failing or run.status in TERMINAL or not progress.sleeps:
            return
        if (progress.due_at or 0) <= turn.now:
            run.set_status(task_id, TaskStatus.PENDING)
            run.ready.append(task_id)

    def _end_frame(self, turn: Turn, live: Live, task_id: TaskId) -> None:
        """A subgraph has taken too long."""
        run, name = live.run, live.run.frames.nests.get(task_id)
        over = run.status in TERMINAL or run.failing or name is None or run.frames[name].ended
        if not over:
            self.delivery.take(turn, live, timed_out_frame(run, run.tasks[task_id], turn.now))

    def _expire(self, turn: Turn, live: Live, task_id: TaskId) -> None:
        run = live.run
        opened = next((found for found in run.interrupts.values() if found.task_id == task_id), None)
        if run.status in TERMINAL or run.failing or opened is None or (opened.expires_at or 0) > turn.now:
            return
        self.delivery.take(turn, live, expire(run, opened, turn.now))

    def _set(self, turn: Turn, live: Live, task_id: TaskId, kind: str, due_at: int) -> None:
        key = live.run.key
        turn.set_timer(live, task_id, kind, due_at)
        turn.effects.append(lambda: self.delivery.timers.set(due_at, key, task_id, kind))
