"""Rooms as the driver keeps them: who takes a turn for one, who has one durably, and who gives one up (ADR 10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.driver.halting import halt_again
from engine.driver.places import place_of_task
from engine.driver.turn import Live, Turn
from engine.limits import ROOM
from engine.model import TERMINAL, Commit, Kind, RunStatus, Task, TaskId, TaskStatus
from engine.outbox import Stay
from engine.rooms import MoveIn, room_of
from engine.standstill import only_waits

if TYPE_CHECKING:
    from engine.driver.delivery import Delivery

Act = Callable[[Turn, Live], None]
_QUIET = frozenset({TaskStatus.PENDING, TaskStatus.WAITING})


class Rooms:
    """Stands between the runs and the lines before rooms, which are kept with those of attempts."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def begin(self, turn: Turn, live: Live, found: MoveIn) -> None:
        """Have a task take its turn for its room, once all that led to it is durable."""
        stay = self._stay(live, found.task)

        def ask() -> None:
            if not live.dropped and not live.run.failing and stay.task_id in live.run.progress:
                self.delivery.outbox.move_in(stay)

        turn.effects.append(ask)

    def follow(self, turn: Turn, live: Live, commit: Commit) -> None:
        """Have those give up their rooms that are over with a commit, once that is durable."""
        run, outbox = live.run, self.delivery.outbox
        if commit.status in TERMINAL:
            return self.leave(turn, live)
        if commit.closed and commit.kind is not Kind.FORK:
            turn.effects.append(lambda: outbox.move_out(commit.closed))
        if commit.worker_asks and commit.task is not None and run.progress[commit.task.id].has_room:
            turn.set_timer(live, commit.task.id, ROOM, turn.now)  # its other timers are gone

    def leave(self, turn: Turn, live: Live) -> None:
        """Have all tasks of a run give up their rooms: it is over."""
        run_id = live.run.id
        turn.effects.append(lambda: self.delivery.outbox.move_out_of(run_id))

    def leave_line(self, tasks: tuple[TaskId, ...]) -> None:
        """Tell workers that nobody wants these tasks any more, of a line that was left, which have no rooms either."""
        self.delivery.cancel(tasks)
        self.delivery.outbox.move_out(tasks)

    def go_on(self, turn: Turn, live: Live) -> None:
        """Have those have their rooms still that had them durably, in a run that was read from the store."""
        outbox, run_id = self.delivery.outbox, live.run.id
        stays = [self._stay(live, live.run.tasks[name]) for name, one in live.run.progress.items() if one.has_room]

        def again() -> None:
            outbox.move_out_of(run_id, {stay.task_id for stay in stays})
            for stay in stays:
                outbox.move_in(stay, here=True)

        turn.effects.append(again)

    def rest(self, turn: Turn, live: Live) -> None:
        """A run of which all waits for people, or for places that what waits for people has, is interrupted."""
        run = live.run
        if run.status is RunStatus.RUNNING and not run.failing and not run.ready and only_waits(run):
            self._turn_to(turn, live, RunStatus.INTERRUPTED)

    def wake(self, turn: Turn, live: Live) -> None:
        """Something of a run goes on by itself."""
        if live.run.status is RunStatus.INTERRUPTED:
            self._turn_to(turn, live, RunStatus.RUNNING)

    def _turn_to(self, turn: Turn, live: Live, status: RunStatus) -> None:
        before = live.run.status
        turn.set_status(live, status)
        self.delivery.announcer.follow(turn, live, before)

    # ---- what the outbox tells

    def moved_in(self, stay: Stay) -> None:
        """A task has its room; it begins once that is durable, or with it."""

        def act(turn: Turn, live: Live) -> None:
            run, progress = live.run, live.run.progress.get(stay.task_id)
            if progress is None or run.failing or run.status in TERMINAL:
                turn.effects.append(lambda: self.delivery.outbox.move_out((stay.task_id,)))
            elif not progress.has_room:
                progress.has_room, progress.reason = True, None
                if progress.status is TaskStatus.WAITING:
                    run.set_status(stay.task_id, TaskStatus.PENDING)
                turn.set_timer(live, stay.task_id, ROOM, turn.now)
                run.ready.extend(run.parked.pop(stay.task_id, ()))
                self.wake(turn, live)

        self._tell(stay, act)

    def kept_out(self, stay: Stay, reason: str, passed: int) -> None:
        """A task waits for its room, behind so many of its gates."""

        def act(turn: Turn, live: Live) -> None:
            run, progress = live.run, live.run.progress.get(stay.task_id)
            if progress is None or progress.has_room or run.failing:
                return
            if (progress.reason, progress.passed) == (reason, passed):
                return
            if run.status in TERMINAL or progress.status not in _QUIET:
                return
            progress.passed = passed
            if progress.reason != reason:
                run.set_status(stay.task_id, TaskStatus.WAITING)
                progress.reason = reason
                body = {**place_of_task(run.tasks[stay.task_id], progress.attempt), "reason": reason}
                turn.note(live, "waiting", stay.task_id, body)
                halt_again(turn, live, self.delivery.take)
            self.rest(turn, live)

        self._tell(stay, act)

    def _tell(self, stay: Stay, act: Act) -> None:
        loop = self.delivery.loop
        if (live := loop.live(stay.run_id)) is not None:
            loop.ask(live, act)
        else:
            loop.wake(stay.run_key)

    def _stay(self, live: Live, task: Task) -> Stay:
        progress = live.run.progress[task.id]
        return Stay(
            run_key=live.run.key, run_id=live.run.id, task_id=task.id, room=room_of(live.run, task),
            priority=live.head.priority, since=progress.ready_at,
        )  # fmt: skip
