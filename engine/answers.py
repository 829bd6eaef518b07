"""What an answer or a failed attempt makes of a task: a commit, another attempt, or a note that it came late."""

from __future__ import annotations

from typing import Any

from engine.answer import Answer, AnswerInvalid, kept_of, parse_answer, told_in, with_more
from engine.commits import Result, Step, finish
from engine.errors import NodeFailure
from engine.failure import error_of, fail
from engine.gotos import check_goto
from engine.lodging import lodged, satisfies
from engine.missing import MISSING
from engine.model import NO_USAGE, TERMINAL, ErrorInfo, RunStatus, Task, TaskId, TaskStatus, Usage
from engine.outbox import LOST
from engine.progress import Progress
from engine.questions import asks
from engine.recall import Recorded
from engine.retry import next_delay_ms
from engine.run import Run
from engine.turns import NextTurn, all_updates, earlier_in, goes_on, last_good, leaves_open, recorded
from engine.values import dataclass, replace

MAX_LOSSES = 3
"""So many attempts of a request may be lost with their workers; from then on each counts, so that a task which ends
its workers comes to an end too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Another attempt is due at `due_at`; `attempt` is its number."""

    task_id: TaskId
    attempt: int
    due_at: int
    error: ErrorInfo
    usage: Usage = NO_USAGE
    """What the attempt has used that failed."""
    counts: bool = True
    """Whether the attempt that failed is one of those that the node allows."""
    failed_by: str | None = None
    """The worker of the attempt that failed, where others are asked before it."""

    def as_json(self) -> dict[str, Any]:
        """What the note about it says."""
        error = {"error": self.error.as_json(), "node": self.error.node}
        body = {"attempt": self.attempt, "due_at": self.due_at, **error}
        if not self.counts:
            body["counts"] = False
        if self.failed_by is not None:
            body["failed_by"] = self.failed_by
        return body if self.usage is NO_USAGE else {**body, "usage": self.usage.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """An answer that changes nothing, and why."""

    task_id: TaskId
    why: str


def answered(
    run: Run,
    task_id: TaskId,
    attempt: int | None,
    body: Any,
    worker: str | None,
    now: int,
    chance: float,
    output: Any = MISSING,
    taken: bool = False,
) -> Step | Retry | NextTurn | Late:
    """Apply an answer to a task: the first valid one for its current attempt or an earlier one counts. `output` is what
    it has answered where `body` only refers to that; `taken`: its worker holds the attempt no longer."""
    task = run.open_task(task_id)
    if (late := _too_late(run, task, attempt)) is not None or task is None:
        return Late(task_id=task_id, why=late or "the task is over")
    failure: NodeFailure
    current, usage = run.progress[task_id].attempt, NO_USAGE
    try:
        answer = parse_answer(body)
        usage = answer.usage
        if output is not MISSING:
            answer = lodged(answer, output, run.node_of(task).spec.output_schema)
        if answer.error is None:
            return _taken(run, task, answer, worker, now)
        failure = NodeFailure(
            answer.error.code, answer.error.message, retryable=answer.error.retryable, details=answer.error.details
        )
    except AnswerInvalid as invalid:
        failure, usage = invalid, told_in(body).usage  # what was used is used, whatever else is wrong
    except NodeFailure as found:
        failure = found
    if (why := _of_no_account(run.progress[task_id], attempt, taken=taken)) is not None:
        return Late(task_id=task_id, why=why)
    error = error_of(_with_answer(failure, body), task, current)
    return attempt_failed(run, task_id, error, None, now, chance, usage)


def _of_no_account(progress: Progress, attempt: int | None, *, taken: bool) -> str | None:
    """Why it changes nothing that a worker has failed; None where it does."""
    current = progress.attempt
    if attempt is not None and attempt < current:
        return f"attempt {attempt} failed after attempt {current} had begun"
    if taken:
        return f"attempt {current} failed with a worker that it had been taken from"
    if progress.status is not TaskStatus.RUNNING:
        return f"no worker holds attempt {current}: an earlier one failed, and that is known"
    return None


def _with_answer(failure: NodeFailure, body: Any) -> NodeFailure:
    """A failure with the answer in its details: one that is not taken, or that says more than the error in it."""
    details = failure.error_details
    if isinstance(body, dict) and body.get("error"):
        found = with_more(details, body)
    else:
        found = {**(details or {}), **kept_of(body)} if isinstance(details, dict | None) else details
    return NodeFailure(failure.node_code, failure.message, retryable=failure.retryable, details=found)


def _too_late(run: Run, task: Task | None, attempt: int | None) -> str | None:
    if run.status in TERMINAL and not (run.status is RunStatus.FAILED and task is not None):
        return f"the run is {run.status}"
    if task is None:
        return "the task is over"
    status = run.progress[task.id].status
    if status is TaskStatus.FAILED or status is TaskStatus.INTERRUPTED or task.id in run.calls:
        return f"the task is {status} and is with no worker"
    if attempt is not None and attempt < run.progress[task.id].asked_at:
        return "it answers an earlier request: the worker was asked again since"
    return None


def _taken(run: Run, task: Task, answer: Answer, worker: str | None, now: int) -> Step | NextTurn:
    """What a good answer leads to: a question (unless it is one that may be left open), another turn, or the end of the
    task. Raises NodeFailure."""
    if answer.interrupt is not None and not leaves_open(run, task, answer):
        return asks(run, task, answer, answer.interrupt, worker, now)
    if run.node_of(task).spec.turns is None:
        return _apply(run, task, answer, worker, now)
    if goes_on(run, task, answer):
        return NextTurn(task_id=task.id, answer=answer.raw, worker=worker)
    return _end_turns(run, task, answer, run.progress[task.id].turns, worker, now)


def _end_turns(
    run: Run, task: Task, last: Answer, earlier: list[Any], worker: str | None, now: int, known: bool = False
) -> Step:
    """Apply the last answer of an agent, with those of its earlier turns."""
    return _apply(run, task, replace(last, raw=recorded(last.raw, earlier)), worker, now, known=known)


def take_kept(run: Run, task: Task, input_hash: str | None, answer: Any, worker: str | None, now: int) -> Step | None:
    """Apply an answer that is kept from another run; None where it does not count, since the node wants another output.
    Raises NodeFailure where the state does not take it."""
    assert input_hash is not None
    found = take_over(run, task, input_hash, Recorded(input_hash, answer, worker), now)
    return found and replace(found, commit=replace(found.commit, reused=False, cached=True))


def take_over(run: Run, task: Task, input_hash: str, recorded: Recorded, now: int) -> Step | None:
    """Apply an answer that was given on another line to the same input; None where it does not count any more, since
    the node wants another output by now. Raises NodeFailure where the state does not take it."""
    answer = replace(parse_answer(recorded.answer), usage=NO_USAGE)
    try:
        _check_output(run, task, answer, known=True)
    except NodeFailure:
        return None
    return _apply(run, task, answer, recorded.worker, now, reused=recorded, known=True)


def _apply(
    run: Run,
    task: Task,
    answer: Answer,
    worker: str | None,
    now: int,
    reused: Recorded | None = None,
    known: bool = False,
) -> Step:
    """Apply a good answer; one that is `known` was recorded before. Raises NodeFailure."""
    _check_output(run, task, answer, known)
    spec = run.node_of(task).spec
    earlier = [] if spec.turns is None else earlier_in(answer.raw)
    updates = all_updates(earlier, answer)
    if task.call is None:
        updates = (*updates, *spec.output.updates(answer.output))
    result = Result(
        updates=updates, answer=answer.raw, usage=answer.usage, worker=worker, goto=answer.goto,
        reused=reused is not None, by_human=reused is not None and reused.by_human,
        input_hash=None if reused is None else reused.input_hash,
    )  # fmt: skip
    return finish(run, task, result, now)


def _check_output(run: Run, task: Task, answer: Answer, known: bool) -> None:
    spec = run.node_of(task).spec
    schema = spec.output_schema
    if schema is not None and not (known and satisfies(answer, schema)) and (problems := schema.problems(answer.said)):
        message = f"the output does not satisfy output_schema: {problems[0].path or '/'}: {problems[0].message}"
        raise NodeFailure("output.invalid", message, retryable=True)
    if answer.goto is not None:
        check_goto(run.frames.of(task).graph, task, answer.goto)


def attempt_failed(
    run: Run,
    task_id: TaskId,
    error: ErrorInfo,
    retry_after_ms: int | None,
    now: int,
    chance: float,
    usage: Usage = NO_USAGE,
    failed_by: str | None = None,
) -> Step | Retry | Late:
    """An attempt has failed: another one if the node's policy has one left, else the node's failure rules. `failed_by`
    is its worker where another one is asked first by the next attempt."""
    task = run.open_task(task_id)
    if task is None or run.status in TERMINAL:
        return Late(task_id=task_id, why="the task is over")
    progress, node = run.progress[task_id], run.node_of(task)
    if (good := last_good(run, task, error.code)) is not MISSING:
        return _timed_out(run, task, good, now)
    if error.code == LOST and progress.losses < MAX_LOSSES:
        again = progress.attempt + 1
        return Retry(
            task_id=task_id, attempt=again, due_at=now, error=error, usage=usage, counts=False, failed_by=failed_by
        )
    tries = progress.attempt - progress.first_attempt + 1
    delay = next_delay_ms(node.retry, tries, error.code, error.retryable, chance)
    if delay is None:
        return fail(run, task, error, now, usage)
    return Retry(
        task_id=task_id,
        attempt=progress.attempt + 1,
        due_at=now + max(delay, retry_after_ms or 0),
        error=error,
        usage=usage,
        failed_by=failed_by,
    )


def _timed_out(run: Run, task: Task, good: Any, now: int) -> Step:
    """End an agent one of whose turns took too long with the answer of the turn before."""
    progress = run.progress[task.id]
    try:
        last = replace(parse_answer(good), usage=NO_USAGE)  # it was counted as a turn
        return _end_turns(run, task, last, progress.turns[:-1], progress.worker, now, known=True)
    except NodeFailure as failure:
        return fail(run, task, error_of(failure, task, progress.attempt), now)
