"""Questions of workers: an answer may ask somebody first, and the worker is called again with what they say."""

from __future__ import annotations

from engine.address import interrupt_id_of
from engine.answer import Answer, AnswerInvalid
from engine.commits import Result, Step, next_ref, record, status_after
from engine.kinds import AUTH, WORKER
from engine.model import Commit, InterruptOpened, Kind, RunStatus, Task, TaskStatus, Updates
from engine.run import Run
from engine.schema import SchemaInvalid, compile_schema
from engine.values import replace
from engine.view import Pause


def asks(run: Run, task: Task, answer: Answer, pause: Pause, worker: str | None, now: int) -> Step:
    """The commit that opens an interrupt for a worker. What else its answer holds is kept, and not applied. Raises
    NodeFailure."""
    if pause.schema is not None:
        try:
            compile_schema(pause.schema)
        except SchemaInvalid as invalid:
            raise AnswerInvalid(f"'interrupt.schema' is no JSON Schema: {invalid}") from None
    opened = InterruptOpened(
        id=interrupt_id_of(task, run.progress[task.id].interrupts),
        task_id=task.id,
        node=task.node,
        kind=AUTH if pause.auth else WORKER,
        message=pause.message,
        created_at=now,
        schema=pause.schema,
        actions=pause.actions,
        expires_at=None if pause.expires_in_ms is None else now + pause.expires_in_ms,
    )
    how = Result(answer=answer.raw, usage=answer.usage, worker=worker, status=TaskStatus.INTERRUPTED)
    commit = record(run, task, how, (), None, task.causes, Kind.INTERRUPT, now)
    commit = replace(commit, interrupt=opened, status=status_after(run, (), 0, asks=task.id))
    return Step(commit)


def hand_on(run: Run, opened: InterruptOpened, value: object, writes: Updates, actor: str, now: int) -> Step:
    """The commit with which a worker is asked again, with what somebody answered to its question."""
    task = run.tasks[opened.task_id]
    commit = Commit(
        ref=next_ref(run), kind=Kind.RESUME, at=now, branch=run.branch, parent=run.head, task=task,
        causes=task.causes, writes=writes, answer={"resume": value}, resolved=(opened.id,), actor=actor,
        epoch=run.epoch, status=RunStatus.RUNNING,
    )  # fmt: skip
    return Step(commit)
