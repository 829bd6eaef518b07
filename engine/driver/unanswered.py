"""What workers asked and nobody answers any more: who waits for an answer is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.kinds import BY_WORKERS, JUMPS, Kind, TaskStatus
from engine.model import Commit, RunHead, TaskId, seq_of
from engine.outbox import Outbox, Unanswered
from engine.ports import InterruptRow, Store
from engine.record import decode
from engine.run import Run
from engine.turns import earlier_in

PAGE = 100


def unanswered(run: Run, tasks: Iterable[TaskId]) -> tuple[Unanswered, ...]:
    """What was asked in these tasks of a run. What a worker has accepted since then is told by the cancel of that."""
    found = ((task_id, run.progress.get(task_id)) for task_id in tasks)
    return tuple(
        Unanswered(
            run_id=run.id,
            task_id=task_id,
            node=run.tasks[task_id].node,
            worker=progress.said_by,
            said=progress.said_last,
        )
        for task_id, progress in found
        if progress is not None
        and progress.said_by is not None
        and progress.said_last is not None
        and not progress.accepted
    )


def left_by(run: Run, task_id: TaskId, worker_id: str) -> tuple[Unanswered, ...]:
    """What was asked in a task by another worker than the one that it is sent to now, which goes on without that."""
    progress = run.progress[task_id]
    if progress.said_by in (None, worker_id):
        return ()
    left = unanswered(run, (task_id,))
    progress.said_by = None
    return left


def closed_by(run: Run, commit: Commit) -> tuple[Unanswered, ...]:
    """What a commit, which the run has not taken up yet, leaves unanswered. One that begins a line closes what belongs
    to another one."""
    if commit.kind in JUMPS or commit.kind is Kind.FORK or not (_asks(commit) or _was_asked(run, commit.closed)):
        return ()
    if (task_id := _answered_by(run, commit)) is None:
        return unanswered(run, commit.closed)
    others = unanswered(run, (other for other in commit.closed if other != task_id))
    return (*others, *_asked_last(run, commit, task_id))


def _answered_by(run: Run, commit: Commit) -> TaskId | None:
    """The task that is over by what its worker answers now: no answer of an earlier turn, and no value that came in."""
    if commit.task is None or commit.error is not None or commit.task.id not in commit.closed:
        return None
    progress = run.progress[commit.task.id]
    timed_out = bool(progress.turns) and len(earlier_in(commit.answer)) < len(progress.turns)
    return None if timed_out or progress.status is TaskStatus.INTERRUPTED else commit.task.id


def _asked_last(run: Run, commit: Commit, task_id: TaskId) -> tuple[Unanswered, ...]:
    """The question with which an agent has ended, where it has had enough."""
    if commit.worker is None or commit.reused or commit.cached or not _asks(commit):
        return ()
    node = run.tasks[task_id].node
    return (Unanswered(run_id=run.id, task_id=task_id, node=node, worker=commit.worker, said=commit.answer),)


def _asks(commit: Commit) -> bool:
    """Whether the answer that it has asks something."""
    return isinstance(commit.answer, Mapping) and commit.answer.get("interrupt") is not None


def _was_asked(run: Run, tasks: Iterable[TaskId]) -> bool:
    """Whether a worker has asked something in one of these tasks."""
    return any((found := run.progress.get(name)) is not None and found.said_by is not None for name in tasks)


async def suspended_in(store: Store, head: RunHead) -> tuple[Unanswered, ...]:
    """What a run still has open on lines that had failed, where a retry would go on with it: nobody can any more when
    the run is deleted. A run that is held has its questions elsewhere."""
    if head.hold is not None:
        return ()
    found: list[Unanswered] = []
    cursor, end = None, seq_of(head.head) + 1
    while True:
        page = await store.interrupts("suspended", head.key, PAGE, cursor)
        for row in (one for one in page.items if one.kind in BY_WORKERS):
            if (commit := await asked_by(store, row, end)) is not None and commit.worker is not None:
                left = Unanswered(
                    run_id=head.id, task_id=row.task_id, node=row.node, worker=commit.worker, said=commit.answer
                )
                found.append(left)
        if (cursor := page.next_cursor) is None:
            return tuple(found)


async def suspended_in_session(store: Store, session: str) -> tuple[Unanswered, ...]:
    """The same of all runs of a session."""
    found: tuple[Unanswered, ...] = ()
    before = None
    while heads := await store.session_runs(session, before, PAGE):
        for head in heads:
            found += await suspended_in(store, head)
        seat = heads[-1].seat
        if seat is None or seat.place is None:
            break
        before = seat.place
    return found


async def asked_by(store: Store, row: InterruptRow, before: int) -> Commit | None:
    """The commit with which a worker asked, of those before a place."""
    while rows := await store.commits_before(row.run_key, before, PAGE, row.node):
        for one in rows:
            if one.kind == Kind.INTERRUPT and one.task_id == row.task_id:
                commit = decode(one)
                if commit.interrupt is not None and commit.interrupt.id == row.id:
                    return commit
        before = rows[-1].seq
    return None


def tell(outbox: Outbox, found: Iterable[Unanswered]) -> None:
    """Tell the workers."""
    for one in found:
        outbox.dismiss(one)
