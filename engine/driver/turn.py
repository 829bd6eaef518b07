"""One transaction in the making: the rows of many runs, and what may happen once they are durable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import structlog

from engine.activation import limit_error
from engine.cache import kept_by
from engine.claims import Claim
from engine.commits import Step
from engine.dead_letters import failed_tasks, letter_of
from engine.model import (
    JUMPS,
    TERMINAL,
    Commit,
    Kind,
    RunHead,
    RunStatus,
    TaskId,
    TaskStatus,
    run_key_of,
    seq_of,
)
from engine.ports import Batch, CommitRow, EventRow, Expected, InterruptRow, TimerRow
from engine.rebuild import due_snapshot
from engine.record import encode
from engine.run import Run
from engine.served import Served
from engine.telling import ALOUD
from engine.values import replace

log = structlog.get_logger(__name__)

Effect = Callable[[], None]
RESTING = TERMINAL | {RunStatus.INTERRUPTED}


@dataclass(slots=True, eq=False)
class Live:
    """A run in memory. `inbox` holds what is to be done with it next, behind `notes`, for which alone it is not planned
    at once; `undurable` counts turns not yet written."""

    run: Run
    head: RunHead
    served: Served | None = None
    """Who has served the session that it belongs to; its runs in memory share that."""
    inbox: list[Callable[[Turn], None]] = field(default_factory=list)
    notes: list[Callable[[Turn], None]] = field(default_factory=list)
    queued: bool = False
    """Whether it is to be planned next; `asked`: first of all, for somebody waits for an answer."""
    asked: bool = False
    answering: bool = False
    """Whether it is not planned until who asked has the answer."""
    undurable: int = 0
    active_at: int = 0
    """When something happened last, in milliseconds since the epoch."""
    dropped: bool = False
    waiting: list[Callable[[BaseException], None]] = field(default_factory=list)
    """Who is told when what is asked of the run, or being done with it right now, goes wrong."""

    @property
    def busy(self) -> bool:
        """Whether something is being done with it."""
        return bool(self.undurable or self.inbox or self.notes or self.queued or self.answering)

    def refuse(self, why: BaseException) -> None:
        """Tell everybody who waits that nothing of what they asked will be done."""
        for tell in self.waiting:
            tell(why)
        self.waiting.clear()


@dataclass(slots=True, eq=False)
class Turn:
    """What one batch will write. Taking up a step changes the cached run; dropping the cache undoes that."""

    now: int
    batch: Batch = field(default_factory=Batch)
    effects: list[Effect] = field(default_factory=list)
    patient: list[Effect] = field(default_factory=list)
    """What may follow later: it does not make the turn urgent."""
    meanwhile: list[Effect] = field(default_factory=list)
    """What can be made ready while it is being written; nothing may depend on it."""
    failures: list[Callable[[BaseException], None]] = field(default_factory=list)
    touched: dict[int, Live] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    moved: list[RunStatus] = field(default_factory=list)
    """The statuses that runs came to, where they were others before."""
    arrived: list[RunHead] = field(default_factory=list)
    """The runs that are new, or have come to another status."""

    sessions: list[str] = field(default_factory=list)
    """The sessions of such runs."""
    until: float = 0.0
    """When planning has to end, by the monotonic clock."""

    def end_within(self, seconds: float) -> None:
        """Have it end soon: somebody waits for it."""
        self.until = min(self.until, perf_counter() + seconds)

    @property
    def urgent(self) -> bool:
        """Whether somebody waits for this turn; one that only notes what happened may wait for company."""
        return bool(self.effects or self.batch.commits)

    def touch(self, live: Live) -> None:
        """Note that this turn writes rows of a run: its row must still be as planning found it."""
        key = live.run.key
        if key not in self.touched:
            self.touched[key] = live
            live.undurable += 1
            if key not in self.fresh:
                self.batch.expected[key] = Expected(version=live.run.seq, epoch=live.run.epoch)

    def create(self, live: Live) -> None:
        """Note that the run itself is new."""
        self.fresh.add(live.run.key)
        if live.head.parent is not None:
            self.batch.needed.append(run_key_of(live.head.parent))
        self.touch(live)

    def claim(self, claim: Claim | None, made: str) -> None:
        """Note what a request has made that came with an idempotency key."""
        if claim is not None:
            self.batch.claims.append(claim.on(made, self.now))

    def seat(self, live: Live) -> None:
        """Note that a run has got its place in a session, or waits for none any more."""
        if live.head.parent is not None:
            self.batch.needed.append(run_key_of(live.head.parent))
        self.touch(live)
        self.batch.seats[live.run.key] = live.head

    def take(self, live: Live, step: Step) -> Commit:
        """Add a commit, with everything else that it changes."""
        self.touch(live)
        live.active_at = self.now
        run, commit = live.run, step.commit
        if commit.error is not None and (letter := letter_of(run, commit)) is not None:
            self.batch.dead_letters.append(letter)
        if (kept := kept_by(run, commit)) is not None:
            self.batch.kept.append(kept)
        if commit.kind is Kind.RETRY:
            self.batch.retried += [(run.key, task_id, commit.at) for task_id in failed_tasks(run)]
        gone, open_before = _left_open(run, commit), tuple(run.interrupts)
        run.take(commit, step.fresh, step.blockers)
        if live.served is not None:
            live.served.take(commit)
        if commit.kind is Kind.RETRY:
            gone += [name for name in open_before if name not in run.interrupts]
        if run.limit is None:
            run.limit = limit_error(run)
        self.batch.commits.append(self._row(run, commit))
        self._clear(run, set(run.timed) if commit.status in TERMINAL else run.timed.intersection(_over(commit)))
        if gone or run.interrupts or commit.resolved:
            self._interrupts(run, commit, gone)
        return commit

    def _row(self, run: Run, commit: Commit) -> CommitRow:
        body = encode(commit)
        run.weigh(commit, len(body))
        data = due_snapshot(run, commit)
        return CommitRow(
            run_key=run.key,
            seq=seq_of(commit.ref),
            branch=commit.branch,
            parent=commit.parent,
            kind=commit.kind,
            node=commit.task.node if commit.task is not None else None,
            task_id=commit.task.id if commit.task is not None else None,
            level=commit.level,
            at=commit.at,
            status=commit.status,
            actor=commit.actor,
            version=commit.version,
            epoch=commit.epoch,
            dominator=commit.dominator,
            base=run.base,
            body=body,
            snapshot=data,
        )

    def _clear(self, run: Run, over: set[TaskId]) -> None:
        """The durable timers of what is over go: of a run that is, all of them; a retry sets anew what it needs."""
        if over:
            run.timed -= over
            self.batch.timers_cleared += [(run.key, task_id) for task_id in over]
            self.batch.timers = [t for t in self.batch.timers if t.run_key != run.key or t.task_id not in over]

    def clear_timers(self, live: Live) -> None:
        """Have none of a run's durable timers left."""
        self._clear(live.run, set(live.run.timed))

    def _interrupts(self, run: Run, commit: Commit, gone: list[str]) -> None:
        if (asked := commit.interrupt) is not None:
            self.batch.interrupts.append(
                InterruptRow(
                    id=asked.id, run_key=run.key, run_id=run.id, task_id=asked.task_id, node=asked.node,
                    kind=asked.kind, message=asked.message, schema=asked.schema, actions=asked.actions,
                    status="open", created_at=commit.at, expires_at=asked.expires_at,
                )
            )  # fmt: skip
        ended = self.batch.interrupts_ended
        how = "resolved" if commit.kind is Kind.RESUME else "expired"
        ended += [(interrupt, how, commit.at) for interrupt in commit.resolved]
        ended += [(interrupt, "cancelled", commit.at) for interrupt in gone]
        if commit.kind is Kind.RETRY:
            ended += [(interrupt, "open", None) for interrupt in run.interrupts]
        elif commit.status is RunStatus.CANCELLED:
            ended += [(interrupt, "cancelled", commit.at) for interrupt in run.interrupts]
        elif commit.status is RunStatus.FAILED:
            ended += [(interrupt, "suspended", commit.at) for interrupt in run.interrupts]

    def note(self, live: Live, kind: str, task_id: TaskId | None, body: Any) -> None:
        """Add an event between commits."""
        self.touch(live)
        live.active_at = self.now
        run = live.run
        run.events += 1
        self.batch.events.append(
            EventRow(run_key=run.key, n=run.events, seq=run.seq, at=self.now, kind=kind, task_id=task_id, body=body)
        )

    def set_timer(self, live: Live, task_id: TaskId, kind: str, due_at: int) -> None:
        """Add a durable timer of a task."""
        self.touch(live)
        live.run.timed.add(task_id)
        self.batch.timers.append(TimerRow(run_key=live.run.key, task_id=task_id, kind=kind, due_at=due_at))

    def set_status(self, live: Live, status: RunStatus) -> None:
        """Change a run's status where no commit does."""
        live.run.status = status
        if status is RunStatus.FAILED:
            self.batch.interrupts_ended += [(name, "suspended", self.now) for name in live.run.interrupts]
        failed = live.run.error if status is RunStatus.FAILED else None
        error = {"error": failed.as_json()} if failed is not None else {}
        self.note(live, "run", None, {"status": status, **error})

    def withdraw_notices(self, run_key: int) -> None:
        """Have the webhook of a run told nothing any more that has not arrived: it has gone on."""
        self.batch.notices_withdrawn.append((run_key, self.now))
        self.batch.notices = [one for one in self.batch.notices if one.run_key != run_key or one.push]

    def seal(self) -> None:
        """Write down the heads of all runs as they are after this turn."""
        for key, live in self.touched.items():
            was, head = live.head.status, head_of(live, self.now)
            live.head = head
            if head.status is not was:
                self._moved(live, head)
            if head.status is not was or key in self.fresh:
                self.arrived.append(head)
            if key in self.fresh:
                self.batch.created.append(head)
            else:
                self.batch.heads[key] = head

    def _moved(self, live: Live, head: RunHead) -> None:
        self.moved.append(head.status)
        if head.seat is not None:
            self.sessions.append(head.seat.session)
        if head.status is RunStatus.FAILED and (error := live.run.error) is not None:
            told = {"run_id": head.id, "workflow_id": head.workflow_id, "node": error.node, "task_id": error.task_id}
            self.effects.append(lambda: log.warning("run.failed", code=error.code, error=error.message, **told))

    def aloud(self) -> set[int]:
        """The runs of which more is written than how far their tasks are."""
        commits, events = self.batch.commits, self.batch.events
        return {row.run_key for row in commits} | {event.run_key for event in events if event.kind in ALOUD}

    def make_ready(self) -> None:
        """Do what can be done before all is durable."""
        for work in self.meanwhile:
            try:
                work()
            except Exception:  # the root of what is made ready: it is made again where it is needed
                log.exception("run.preparation_failed")

    def carry_out(self) -> None:
        """Do what follows, now that all is durable."""
        for effect in (*self.effects, *self.patient):
            try:
                effect()
            except Exception:  # the root of what follows a commit: one consequence must not keep the others back
                log.exception("run.effect_failed", run_ids=[live.run.id for live in self.touched.values()][:10])


def _over(commit: Commit) -> tuple[TaskId, ...]:
    """The tasks that wait for nothing any more that they waited for."""
    return (commit.task.id,) if commit.worker_asks and commit.task is not None else commit.closed


def _left_open(run: Run, commit: Commit) -> list[str]:
    """The interrupts of tasks that a commit closes unanswered. Where it moves the run, they belong to another line."""
    if not run.interrupts or commit.kind in JUMPS or commit.kind is Kind.FORK:
        return []
    asked = [found.interrupt for task_id in commit.closed if (found := run.progress.get(task_id)) is not None]
    return [name for name in asked if name is not None and name not in commit.resolved]


def head_of(live: Live, now: int) -> RunHead:
    """The row of a run as it stands in memory."""
    run = live.run
    return replace(
        live.head,
        workflow_version=run.graph.version,
        status=run.status,
        head=live.head.head if run.head is None else run.head,  # a run that is queued has no commit
        branch=run.branch,
        error=run.error,
        usage=run.usage,
        task_count=run.task_count,
        updated_at=now,
        finished_at=now if run.status in TERMINAL else None,
        reason=live.head.reason if run.status is RunStatus.QUEUED else None,
    )


def is_resting(run: Run) -> bool:
    """Whether a run has ended, or waits for people alone."""
    return run.status in RESTING


def is_idle(live: Live) -> bool:
    """Whether a run in memory waits for nothing that this process holds."""
    return not live.busy and can_be_forgotten(live.run)


def is_asleep(run: Run) -> bool:
    """Whether a run waits for timers, people and other runs alone, which find it where it is stored."""
    if run.status is RunStatus.QUEUED:
        return True
    if run.ready or run.in_flight or not run.progress:
        return False
    left = (one for task, one in run.progress.items() if task not in run.calls)
    return all(one.sleeps or one.status in (TaskStatus.RETRYING, TaskStatus.INTERRUPTED) for one in left)


def can_be_forgotten(run: Run) -> bool:
    """Whether nothing is lost where a run is dropped from memory until somebody asks for it: it waits for what finds it
    where it is stored, and for no turn of its tasks."""
    if is_asleep(run):
        return True
    in_line = (one for one in run.progress.values() if one.status is TaskStatus.WAITING and not one.sleeps)
    return is_resting(run) and (run.status in TERMINAL or not any(in_line))


def waits_for_worker(run: Run) -> tuple[TaskId, ...]:
    """The tasks that were submitted but that no worker holds: a failing run takes them back."""
    return tuple(
        task_id
        for task_id, progress in run.progress.items()
        if progress.status in (TaskStatus.PENDING, TaskStatus.WAITING, TaskStatus.RETRYING)
    )
