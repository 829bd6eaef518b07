"""What the outbox is given of a task that is to be sent to a worker."""

from __future__ import annotations

from collections.abc import Callable

from engine.driver.turn import Live
from engine.frame import names_of
from engine.limits import gates_of
from engine.model import RunId, Task, TaskId
from engine.outbox import Work
from engine.planner import Dispatch, limits_of
from engine.progress import Progress
from engine.turns import next_turn

SecretOf = Callable[[RunId, TaskId, int, int, int], str]
"""What authorises the answer to a request of a task: by how many requests came before, the attempt, and how often one
was taken from a worker by hand."""


def work_of(live: Live, found: Dispatch, secret: str) -> Work:
    """The work of a task, at the attempt that its run has come to; `secret` authorises the answer."""
    run, task, ask = live.run, found.task, found.ask
    progress, request = run.progress[task.id], ask.request
    encoded, progress.input_hash = run.encoder.take(request)
    request, said = next_turn(request, progress.turns)
    limits = limits_of(run, task, ask)
    progress.wants = gates_of(limits)
    return Work(
        run_id=run.id,
        task_id=task.id,
        workflow_id=run.graph.workflow_id,
        workflow_version=run.graph.version,
        node=task.node,
        ns=tuple(names_of(task.wave.frame)),
        attempt=progress.attempt,
        request=request,
        encoded=encoded,
        tags=ask.tags,
        worker=progress.bound_to or ask.worker,
        avoid=progress.avoid,
        failed_by=progress.failed_by,
        protocol=ask.protocol,
        prefers=ask.prefers,
        timeout_ms=ask.timeout_ms or run.node_of(task).timeout_ms,
        priority=live.head.priority,
        since=0 if progress.was_sent else progress.ready_at,
        limits=limits,
        secret=secret,
        resume=progress.resume,
        resumes=progress.resumes,
        question=progress.question,
        input_hash=progress.input_hash,
        turn=1 + len(progress.turns),
        session=None if live.head.seat is None else live.head.seat.session,
        said=said,
        served_by=_served_by(live, task, progress),
    )


def _served_by(live: Live, task: Task, progress: Progress) -> tuple[str, ...]:
    """Who had the earlier requests of a task, then who has served the session of its run."""
    before = (progress.said_by,) if progress.said_by is not None else ()
    return before if live.served is None else (*before, *live.served.preferred(task.node))
