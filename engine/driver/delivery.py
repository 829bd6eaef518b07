"""Deliveries: hands tasks to the outbox once they are durable, and takes what comes back to the core."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import answers, injection
from engine.answer import parse_answer, rate_limit_of
from engine.cache import key_of
from engine.commits import Step
from engine.driver import unanswered, unserved
from engine.driver.announcer import Announcer
from engine.driver.cache import Lookup
from engine.driver.halting import halt_again
from engine.driver.incoming import Incoming, remember_input
from engine.driver.loop import Loop
from engine.driver.places import place_json
from engine.driver.reports import note
from engine.driver.rooms import Rooms
from engine.driver.stalls import STALL
from engine.driver.timers import Timers
from engine.driver.turn import Live, Turn, waits_for_worker
from engine.driver.waits import Waits
from engine.driver.works import SecretOf, work_of
from engine.errors import Invalid, NodeFailure
from engine.failure import error_of
from engine.graph import BROKEN
from engine.limits import LIMITED
from engine.missing import MISSING
from engine.model import NO_USAGE, TERMINAL, ErrorInfo, Kind, RunId, RunStatus, Task, TaskId, TaskStatus, Usage
from engine.outbox import Accepted, Answered, Outbox, Refused, Reply, Work
from engine.planner import Begun, Dispatch, MoveIn, Timed, ask_of
from engine.progress import Injection, Progress
from engine.rebuild import RUN_NOTES
from engine.run import Run
from engine.telling import reported
from engine.turns import NextTurn
from engine.values import replace

Found = Step | answers.Retry | NextTurn | answers.Late


class Delivery:
    """Stands between the runs and the outbox: the carrier of the one and the listener of the other."""

    def __init__(self, loop: Loop, outbox: Outbox, secret_of: SecretOf, chance: Callable[[], float]) -> None:
        self.loop, self.outbox, self.secret_of, self.chance = loop, outbox, secret_of, chance
        self.timers = Timers(loop.clock, self._timer_due)
        self._holds: set[str] = set()
        self.waits = Waits(self)
        self.incoming = Incoming(loop, self._apply)
        self.lookup = Lookup(loop, self.take)
        self.announcer = Announcer()
        self.rooms = Rooms(self)
        self.moved_in, self.kept_out = self.rooms.moved_in, self.rooms.kept_out
        loop.carrier = self
        outbox.listen(self)

    # ---- carrying out

    def take(self, turn: Turn, live: Live, planned: Step) -> None:
        """Take up a planned commit; the workers of what it closed are released once it is durable."""
        was_failing, status = live.run.failing, live.run.status
        left = unanswered.closed_by(live.run, planned.commit)
        commit = turn.take(live, planned)
        if pending := injection.due(live.run, commit):
            self._inject(turn, live, commit.opened, pending)
        self.announcer.follow(turn, live, status, commit)
        stays = (commit.kind is Kind.FAILURE and commit.handle != BROKEN) or commit.worker_asks
        over = (commit.task.id,) if stays and commit.task is not None else commit.closed
        if over and commit.kind is not Kind.FORK:  # what a fork closes is its parent's, which goes on with it
            turn.effects.append(lambda: self.end(over, commit.task))
        if left:
            turn.effects.append(lambda: unanswered.tell(self.outbox, left))
        self.waits.follow(turn, live, commit)
        self.rooms.follow(turn, live, commit)
        if live.run.failing and not was_failing:
            back = waits_for_worker(live.run)
            turn.effects.append(lambda: self._free(self.outbox.withdraw, back))

    def _inject(self, turn: Turn, live: Live, opened: tuple[Task, ...], pending: list[Injection]) -> None:
        """Write the state that was to follow a commit; one that does not fit any more is dropped, and that is noted."""
        for found in pending:
            body = {"id": found.id, "node": found.node, "error": None}
            try:
                step = injection.inject_after(live.run, opened, found, turn.now)
                opened = turn.take(live, step).opened
            except Invalid as invalid:
                body["error"] = invalid.message
            del live.run.injections[found.id]
            turn.note(live, "injected", RUN_NOTES, body)

    def begin(self, turn: Turn, live: Live, found: Begun) -> None:
        """Send a task to a worker, or have it wait for its time, once the turn is durable."""
        if isinstance(found, Timed):
            return self.waits.sleep(turn, live, found)
        if isinstance(found, MoveIn):
            return self.rooms.begin(turn, live, found)
        if isinstance(found, answers.Retry):
            return self._retry(turn, live, found)
        work = self._work(live, found)
        key = None if work.turn > 1 or work.resumes else key_of(live.run, found.task, work.input_hash)
        if key is None:
            turn.effects.append(lambda: self._submit(live, work))
            if work.encoded:
                turn.meanwhile.append(lambda: self.outbox.prepare(work))
        else:
            turn.effects.append(lambda: self.lookup.begin(live, work, key, lambda: self._submit(live, work)))

    def go_on(self, turn: Turn, live: Live) -> None:
        """Take up again what a worker had accepted and what waits for a timer; what else was sent is sent again."""
        for task_id, progress in live.run.progress.items():
            if progress.sleeps:
                continue
            sent = progress.status is TaskStatus.RUNNING and not progress.accepted
            if sent or progress.status is TaskStatus.WAITING:
                found = live.run.set_status(task_id, TaskStatus.PENDING)
                found.reason, found.wait_until, found.was_sent = None, None if sent else found.wait_until, sent
            elif progress.status is TaskStatus.RETRYING and progress.due_at is not None:
                live.run.unready(task_id)
                self.timers.set(progress.due_at, live.run.key, task_id, "retry")
            elif progress.accepted and progress.deadline is not None:
                live.run.unready(task_id)
                live.run.set_status(task_id, TaskStatus.RUNNING)
                turn.effects.append(self._await_answer(live, task_id, progress))
        self.waits.go_on(turn, live)
        self.rooms.go_on(turn, live)
        self._fail_if_idle(turn, live)

    def let_go(self, live: Live) -> None:
        """Withdraw all the work of a run."""
        self.release(tuple(live.run.progress))

    def hold(self, held: bool, why: str = "store") -> None:
        """Send nothing more for this reason, or go on sending where there is no other one."""
        (self._holds.add if held else self._holds.discard)(why)
        self.outbox.hold(bool(self._holds))

    def release(self, tasks: tuple[TaskId, ...]) -> None:
        """Free workers and timers of tasks that are over or not wanted any more."""
        self._free(self.outbox.release, tasks)

    def leave(self, turn: Turn, run: Run, *, comes_back: bool = False) -> None:
        """Have workers told that a run, or the line that it was on, is left; no questions where that `comes_back`."""
        tasks, left = tuple(run.progress), () if comes_back else unanswered.unanswered(run, run.progress)
        turn.effects += [lambda: self.rooms.leave_line(tasks), lambda: unanswered.tell(self.outbox, left)]

    def cancel(self, tasks: tuple[TaskId, ...]) -> None:
        """Tell workers that what they hold of these tasks is not wanted any more."""
        self._free(self.outbox.cancel, tasks)

    def rebind(self, task_id: TaskId) -> None:
        """Tell the worker that holds a task that another one gets it."""
        self._free(self.outbox.rebind, (task_id,))

    def _free(self, how: Callable[[TaskId], None], tasks: tuple[TaskId, ...]) -> None:
        for task_id in tasks:
            how(task_id)
            self.timers.clear(task_id)

    def end(self, over: tuple[TaskId, ...], done: Task | None) -> None:
        """Free what tasks hold that are over; workers of those that were not done themselves are told."""
        own = tuple(task_id for task_id in over if done is not None and task_id == done.id)
        self.release(own)
        self.cancel(tuple(task_id for task_id in over if task_id not in own))

    def _await_answer(self, live: Live, task_id: TaskId, held: Progress) -> Callable[[], None]:
        worker, ref, deadline, lease_ms = held.worker, held.ref, held.deadline or 0, held.lease_ms

        def again() -> None:
            task = live.run.open_task(task_id)
            asked = None if task is None or live.dropped else ask_of(live.run, task)
            if task is not None and asked is not None:
                work = replace(self._work(live, Dispatch(task, asked)), accepted_by=worker, accepted_ref=ref)
                self.outbox.submit(replace(work, deadline=deadline, lease_ms=lease_ms))
                self.timers.set(deadline, live.run.key, task_id, "deadline")

        return again

    def _submit(self, live: Live, work: Work) -> None:
        progress = live.run.progress.get(work.task_id)
        if not live.dropped and progress is not None and progress.attempt == work.attempt and not live.run.failing:
            self.outbox.submit(work)

    def _work(self, live: Live, found: Dispatch) -> Work:
        progress = live.run.progress[found.task.id]
        made_for = (progress.requests, progress.attempt, progress.moves)
        return work_of(live, found, self.secret_of(live.run.id, found.task.id, *made_for))

    # ---- what the outbox tells

    def dispatched(self, work: Work, worker_id: str, at: int, deadline: int, ack_by: int | None = None) -> None:
        """An attempt is on its way."""

        def act(turn: Turn, live: Live) -> None:
            progress = live.run.progress.get(work.task_id)
            if progress is None or live.run.status in TERMINAL or progress.attempt != work.attempt:
                return
            live.run.set_status(work.task_id, TaskStatus.RUNNING)
            progress.worker, progress.deadline, progress.reason = worker_id, deadline, None
            progress.ack_by = ack_by
            progress.was_sent = False
            progress.started_at = progress.started_at or at
            if left := unanswered.left_by(live.run, work.task_id, worker_id):
                turn.effects.append(lambda: unanswered.tell(self.outbox, left))
            body = {**place_json(work), "worker": worker_id, "deadline": deadline}
            turn.note(live, "dispatch", work.task_id, body)

        self._note(work.run_id, act)

    def waiting(self, work: Work, reason: str) -> None:
        """A task waits for a worker."""

        def act(turn: Turn, live: Live) -> None:
            progress = live.run.progress.get(work.task_id)
            if progress is None or progress.reason == reason or progress.attempt != work.attempt:
                return
            live.run.set_status(work.task_id, TaskStatus.WAITING)
            progress.reason = reason
            until = unserved.wait(turn, live.run, work.task_id, self.timers)
            turn.note(live, "waiting", work.task_id, {**place_json(work), "reason": reason, **until})
            halt_again(turn, live, self.take)
            if reason in LIMITED:
                self.rooms.rest(turn, live)

        self._tell(work.run_id, act)

    def replied(self, work: Work, worker_id: str, reply: Reply) -> None:
        """Something came back for an attempt."""
        if not (isinstance(reply, Answered) and self.incoming.holds(work, worker_id, reply)):
            self._apply(work, worker_id, reply, MISSING)

    def _apply(self, work: Work, worker_id: str, reply: Reply, output: Any) -> None:
        def act(turn: Turn, live: Live) -> None:
            match reply:
                case Answered(body=body):
                    self.answer(turn, live, work.task_id, work.attempt, body, worker_id, output)
                case Accepted():
                    self._accepted(turn, live, work, reply)
                case Refused():
                    self._refused(turn, live, work, worker_id, reply)

        waits = isinstance(reply, Accepted) and reply.ref is None  # by a ref work is found again that was accepted
        (self._note if waits else self._tell)(work.run_id, act)

    def answer(
        self, turn: Turn, live: Live, task_id: TaskId, attempt: int | None, body: Any, worker: str | None,
        output: Any = MISSING, *, taken: bool = False,
    ) -> bool:  # fmt: skip
        """Apply an answer to a task, as `answers.answered`; False when it changes nothing."""
        progress = live.run.progress.get(task_id)
        old = progress is not None and (taken or (attempt or progress.attempt) < progress.attempt)
        came_later, worker = worker is None, worker or (None if progress is None or old else progress.worker)
        if progress is not None and progress.input_hash is None:
            remember_input(live, task_id)
        if came_later and worker is not None and (limit := rate_limit_of(body)) is not None:
            turn.effects.append(lambda: self.outbox.rated(worker, limit))
        found = answers.answered(live.run, task_id, attempt, body, worker, turn.now, self.chance(), output, taken)
        if isinstance(found, answers.Retry) or (isinstance(found, Step) and found.commit.answer is None):
            for report in reported(body):  # an answer that is not kept
                note(turn, live, task_id, report)
        if isinstance(found, Step) and old:
            turn.effects.append(lambda: self.cancel((task_id,)))  # another worker may be at it by now
        return self._follow(turn, live, found, body)

    def _accepted(self, turn: Turn, live: Live, work: Work, reply: Accepted) -> None:
        progress = live.run.progress.get(work.task_id)
        if not _is_held(progress, work) or progress is None:
            return
        progress.accepted, progress.lease_ms, progress.ref = True, reply.lease_ms, reply.ref
        due = progress.deadline = progress.deadline or turn.now + work.timeout_ms
        told = {name: value for name, value in (("lease_ms", reply.lease_ms), ("ref", reply.ref)) if value is not None}
        turn.note(live, "accepted", work.task_id, {**place_json(work), **told})
        follows = turn.patient if reply.ref is None else turn.effects
        follows.append(lambda: self._wait_until(due, live, work))

    def _wait_until(self, due: int, live: Live, work: Work) -> None:
        """Give an attempt up at a time that a worker has accepted, unless that has come to something meanwhile."""
        if not live.dropped and _is_held(live.run.progress.get(work.task_id), work):
            self.timers.set(due, live.run.key, work.task_id, "deadline")

    def _refused(self, turn: Turn, live: Live, work: Work, worker_id: str, reply: Refused) -> None:
        if not _is_held(live.run.progress.get(work.task_id), work):
            return
        error = replace(
            reply.error, node=work.node, task_id=work.task_id, attempt=work.attempt, retryable=reply.retryable
        )
        for event in reply.told.events:
            note(turn, live, work.task_id, event)
        failed_by = worker_id if reply.elsewhere else None
        self._failed(turn, live, work.task_id, error, reply.retry_after_ms, usage=reply.told.usage, failed_by=failed_by)

    def _failed(
        self, turn: Turn, live: Live, task_id: TaskId, error: ErrorInfo, after_ms: int | None = None,
        *, usage: Usage = NO_USAGE, failed_by: str | None = None,
    ) -> None:  # fmt: skip
        chance = self.chance()
        found = answers.attempt_failed(live.run, task_id, error, after_ms, turn.now, chance, usage, failed_by=failed_by)
        self._follow(turn, live, found, None)

    def _follow(self, turn: Turn, live: Live, found: Found, body: Any) -> bool:
        """Take up what an answer or a failed attempt leads to; False where it changes nothing."""
        match found:
            case Step():
                self.take(turn, live, found)
            case answers.Retry():
                self._retry(turn, live, found)
            case NextTurn():
                self._go_on(turn, live, found)
            case answers.Late():
                turn.note(live, "late", found.task_id, {"why": found.why, "answer": body})
                return False
        return True

    def _retry(self, turn: Turn, live: Live, retry: answers.Retry) -> None:
        progress = (run := live.run).put_off(retry.task_id, TaskStatus.RETRYING)
        progress.attempt, progress.due_at, progress.accepted = retry.attempt, retry.due_at, False
        progress.wait_until = None
        progress.note_failure(counts=retry.counts, failed_by=retry.failed_by)
        if retry.usage is not NO_USAGE:
            progress.unpaid = progress.unpaid.plus(retry.usage)
        turn.note(live, "retry", retry.task_id, retry.as_json())
        turn.set_timer(live, retry.task_id, "retry", retry.due_at)
        self._fail_if_idle(turn, live)
        turn.effects.append(lambda: self._wait_for_retry(run.key, retry))
        halt_again(turn, live, self.take)

    def _go_on(self, turn: Turn, live: Live, found: NextTurn) -> None:
        """Have an agent asked again; its answer is durable before that."""
        run = live.run
        progress = run.put_off(found.task_id, TaskStatus.PENDING)
        body = {
            "turn": len(progress.turns) + 1, "answer": found.answer, "node": run.tasks[found.task_id].node,
            "attempt": progress.attempt, "worker": found.worker,
        }  # fmt: skip
        progress.take_turn(found.answer, found.worker, parse_answer(found.answer).usage, turn.now)
        run.ready.append(found.task_id)
        turn.note(live, "turn", found.task_id, body)
        self._fail_if_idle(turn, live)
        turn.effects.append(lambda: self.release((found.task_id,)))

    def _fail_if_idle(self, turn: Turn, live: Live) -> None:
        """A failing run of which no worker holds anything any more is failed."""
        if live.run.failing and live.run.in_flight <= 0 and live.run.status is RunStatus.RUNNING:
            turn.set_status(live, RunStatus.FAILED)
            turn.clear_timers(live)
            self.rooms.leave(turn, live)
            self.announcer.follow(turn, live, RunStatus.RUNNING)

    def _wait_for_retry(self, run_key: int, retry: answers.Retry) -> None:
        self.release((retry.task_id,))
        self.timers.set(retry.due_at, run_key, retry.task_id, "retry")

    # ---- timers

    def _timer_due(self, key: int, task_id: TaskId, kind: str) -> None:
        """The time of a timer has come; a run that is not in memory finds that out when it is taken up."""
        if (live := self.loop.lives.get(key)) is not None:
            self.loop.ask(live, lambda turn, found: self._due(turn, found, task_id, kind))
        elif kind != STALL:
            self.loop.wake(key)

    def _due(self, turn: Turn, live: Live, task_id: TaskId, kind: str) -> None:
        run, progress = live.run, live.run.progress.get(task_id)
        if self.waits.due(turn, live, task_id, kind) or progress is None or run.status in TERMINAL:
            return
        if kind == "retry" and progress.status is TaskStatus.RETRYING and not run.failing:
            run.set_status(task_id, TaskStatus.PENDING)
            run.ready.append(task_id)
        elif kind == "deadline" and progress.accepted and (progress.deadline or 0) <= turn.now:
            self.give_up(turn, live, task_id, "the worker accepted the task and gave no answer in time")
        elif (gave_up := unserved.gave_up(run, task_id, kind, turn.now)) is not None:
            self._failed(turn, live, task_id, gave_up)

    @property
    def in_flight(self) -> int:
        return self.outbox.in_flight

    def give_up(self, turn: Turn, live: Live, task_id: TaskId, why: str) -> None:
        """Have an attempt failed that a worker has, and of which nothing was heard in time."""
        progress = live.run.progress[task_id]
        failure = NodeFailure("timeout", why, retryable=True)
        error = error_of(failure, live.run.tasks[task_id], progress.attempt)
        self._failed(turn, live, task_id, error, failed_by=progress.worker)

    def _tell(self, run_id: RunId, act: Callable[[Turn, Live], None]) -> None:
        if (live := self.loop.live(run_id)) is not None:
            self.loop.ask(live, act)

    def _note(self, run_id: RunId, act: Callable[[Turn, Live], None]) -> None:
        """The same for what changes nothing of how a run goes on: it may wait a little."""
        if (live := self.loop.live(run_id)) is not None:
            self.loop.notes.add(live, lambda turn: act(turn, live))


def _is_held(progress: Progress | None, work: Work) -> bool:
    """Whether a worker holds this attempt still: it has come to nothing yet, and was not taken away."""
    return progress is not None and progress.attempt == work.attempt and progress.status is TaskStatus.RUNNING
