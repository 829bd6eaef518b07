"""Failure: what a node's rules make of a task that has failed for good, and how a run fails (language 3.3)."""

from __future__ import annotations

from dataclasses import replace

from engine.commits import Result, Step, commit_task, finish, next_ref, record, status_after
from engine.errors import NodeFailure
from engine.graph import ERROR_HANDLE, Node
from engine.model import NO_USAGE, Commit, ErrorInfo, Kind, Ref, Task, TaskStatus, Usage
from engine.run import Run


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
    send = run.graph.nodes[run.frontier.tasks[task.call].node]
    if send.spec.on_item_error == "fail" and not _handles_errors(run, send):
        return _failure(run, task, error, now, usage)
    status = TaskStatus.SKIPPED if send.spec.on_item_error == "skip" else TaskStatus.FAILED
    return finish(run, task, Result(error=error, status=status, usage=usage), now)


def _handles_errors(run: Run, node: Node) -> bool:
    return bool(run.graph.topology.edges_from(node.name, ERROR_HANDLE)) or node.on_error != "fail"


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
    node = run.graph.nodes[task.node]
    if run.graph.topology.edges_from(node.name, ERROR_HANDLE):
        how = Result(error=error, handles=(ERROR_HANDLE,), handle=ERROR_HANDLE, status=TaskStatus.FAILED, usage=usage)
    elif node.on_error == "continue":
        how = Result(error=error, status=TaskStatus.FAILED, usage=usage)
    elif node.on_error == "skip":
        how = Result(error=error, handles=(), status=TaskStatus.SKIPPED, usage=usage)
    else:
        return _failure(run, task, error, now, usage)
    return commit_task(run, task, how, (), {}, level, causes, now)


def _failure(run: Run, task: Task, error: ErrorInfo, now: int, usage: Usage = NO_USAGE) -> Step:
    """The commit of a failure that fails the run; the task stays in the frontier, for a retry."""
    commit = record(
        run, task, Result(error=error, status=TaskStatus.FAILED, usage=usage), (), None, task.causes, Kind.FAILURE, now
    )
    return Step(replace(commit, status=status_after(run, (task.id,), 0, failing=True)), None, run.frontier.blockers)


def timed_out(run: Run, now: int) -> Step:
    """The commit of a run that has taken longer than it may."""
    message = f"the run was not done within {run.timeout_ms} ms; raise config.timeout_ms"
    return fail_run(run, ErrorInfo(code="run.timeout", message=message, retryable=False), now)


def fail_run(run: Run, error: ErrorInfo, now: int) -> Step:
    """The commit of a failure that is no task's: a limit, or an output that cannot be made."""
    commit = Commit(
        ref=next_ref(run), kind=Kind.FAILURE, at=now, branch=run.branch, parent=run.head, error=error,
        status=status_after(run, (), 0, failing=True), epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, run.frontier.blockers)
