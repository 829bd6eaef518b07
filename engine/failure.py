"""Failure: what a node's rules make of a task that has failed for good, and how a run fails (language 3.3)."""

from __future__ import annotations

from hashlib import sha256
from typing import TypedDict, Unpack

from engine.commits import Result, Step, cancelled, commit_task, finish, next_ref, record, status_after
from engine.errors import NodeFailure
from engine.frame import Frame, is_inside
from engine.graph import BROKEN, ERROR_HANDLE
from engine.model import NO_USAGE, Commit, ErrorInfo, Kind, Ref, Task, TaskStatus, Usage
from engine.retry import next_delay_ms
from engine.run import Run
from engine.values import replace


class _Handles(TypedDict, total=False):
    """The edges that a failed task takes."""

    handles: tuple[str, ...]
    handle: str


def error_of(failure: NodeFailure, task: Task, attempt: int | None = None) -> ErrorInfo:
    """The error object of a node that cannot do its work."""
    return ErrorInfo(
        code=failure.node_code,
        message=failure.message,
        node=task.node,
        task_id=task.id,
        attempt=attempt,
        retryable=failure.retryable,
        details=failure.error_details,
    )


def fail(run: Run, task: Task, error: ErrorInfo, now: int, usage: Usage = NO_USAGE) -> Step:
    """A task that has failed for good: what its node's rules make of it (language 3.3)."""
    if task.call is None:
        return handled(run, task, error, task.level, task.causes, now, usage)
    caller = run.tasks[task.call]
    send = run.node_of(caller)
    if send.spec.on_item_error == "fail" and not handles_errors(run, caller):
        return _failure(run, task, error, now, usage)
    status = TaskStatus.SKIPPED if send.spec.on_item_error == "skip" else TaskStatus.FAILED
    return finish(run, task, _result(run, task, error, status, usage), now)


def _result(
    run: Run, task: Task, error: ErrorInfo, status: TaskStatus, usage: Usage = NO_USAGE, **how: Unpack[_Handles]
) -> Result:
    """What a commit says of a failed task; its worker is the one that was asked last."""
    progress = run.progress.get(task.id)
    worker = None if progress is None else progress.worker
    return Result(error=error, status=status, usage=usage, worker=worker, **how)


def handles_errors(run: Run, task: Task) -> bool:
    """Whether a task's node has rules of its own for a failure."""
    graph = run.frames.of(task).graph
    return bool(graph.topology.edges_from(task.node, ERROR_HANDLE)) or graph.nodes[task.node].on_error != "fail"


def handled(
    run: Run,
    task: Task,
    error: ErrorInfo,
    level: int,
    causes: tuple[Ref, ...],
    now: int,
    usage: Usage = NO_USAGE,
) -> Step:
    """The commit of a failed task: by its error edge, by `on_error`, or as the failure of the run."""
    node = run.node_of(task)
    if run.frames.of(task).graph.topology.edges_from(node.name, ERROR_HANDLE):
        how = _result(run, task, error, TaskStatus.FAILED, usage, handles=(ERROR_HANDLE,), handle=ERROR_HANDLE)
    elif node.on_error == "continue":
        how = _result(run, task, error, TaskStatus.FAILED, usage)
    elif node.on_error == "skip":
        how = _result(run, task, error, TaskStatus.SKIPPED, usage, handles=())
    elif task.wave.frame and is_caught(run, task.wave.frame, error):
        how = _result(run, task, error, TaskStatus.FAILED, usage, handles=(), handle=BROKEN)
    else:
        return _failure(run, task, error, now, usage)
    return commit_task(run, task, how, (), {}, level, causes, now)


# ---- frames


def is_caught(run: Run, name: str, error: ErrorInfo) -> bool:
    """Whether a failure of a frame is dealt with by a node around it, at whatever depth."""
    frame = run.frames[name]
    assert frame.task is not None
    task = run.tasks[frame.task]
    if next_try_ms(run, task, frame, error) is not None or handles_errors(run, task):
        return True
    if task.call is not None:
        caller = run.tasks[task.call]
        if run.node_of(caller).spec.on_item_error != "fail" or handles_errors(run, caller):
            return True
    return bool(task.wave.frame) and is_caught(run, task.wave.frame, error)


def next_try_ms(run: Run, task: Task, frame: Frame, error: ErrorInfo) -> int | None:
    """The milliseconds after which a frame that failed is tried again as a whole; None where it is not."""
    tries = frame.attempt - run.progress[task.id].first_attempt + 1
    chance = int(sha256(f"{task.id}|{frame.attempt}".encode()).hexdigest()[:8], 16) / 2**32
    return next_delay_ms(run.node_of(task).retry, tries, error.code, error.retryable, chance)


def end_frame(run: Run, task: Task, error: ErrorInfo, now: int) -> Step:
    """The commit of a failure that ends all that is open in the frame of a subgraph."""
    frame = run.frames.nests[task.id]
    closed = tuple(one.id for one in run.tasks.values() if is_inside(one.wave.frame, frame))
    how = Result(error=error, handles=(), handle=BROKEN, status=TaskStatus.FAILED)
    return Step(
        record(
            run, task, how, (), None, task.causes, Kind.FAILURE, now, closed=closed, cancelled=cancelled(run, closed)
        )
    )


def _failure(run: Run, task: Task, error: ErrorInfo, now: int, usage: Usage = NO_USAGE) -> Step:
    """The commit of a failure that fails the run; the task stays in the frontier, for a retry."""
    how = _result(run, task, error, TaskStatus.FAILED, usage)
    commit = record(run, task, how, (), None, task.causes, Kind.FAILURE, now)
    return Step(replace(commit, status=status_after(run, (task.id,), 0, failing=True)))


def timed_out(run: Run, now: int) -> Step:
    """The commit of a run that has taken longer than it may."""
    message = f"the run was not done within {run.timeout_ms} ms; raise config.timeout_ms"
    return fail_run(run, ErrorInfo(code="run.timeout", message=message, retryable=False), now)


def stalled(run: Run, limit_ms: int, now: int) -> Step:
    """The commit of a run in which nothing has happened for longer than may be."""
    message = f"nothing has happened in the run for {limit_ms} ms; raise config.stall_timeout_ms"
    return fail_run(run, ErrorInfo(code="run.stalled", message=message, retryable=False), now)


def fail_run(run: Run, error: ErrorInfo, now: int) -> Step:
    """The commit of a failure that is no task's: a limit, or an output that cannot be made."""
    commit = Commit(
        ref=next_ref(run), kind=Kind.FAILURE, at=now, branch=run.branch, parent=run.head, error=error,
        status=status_after(run, (), 0, failing=True), epoch=run.epoch,
    )  # fmt: skip
    return Step(commit)
