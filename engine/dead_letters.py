"""Dead letters: tasks that have failed for good, listed over all runs until somebody has them done again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from engine.errors import Conflict
from engine.graph import BROKEN
from engine.model import TERMINAL, Commit, Kind, RunId, RunStatus, TaskId, TaskStatus
from engine.run import Run
from engine.values import dataclass

OPEN, REDRIVEN = "open", "redriven"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A task that has failed for good, at commit `seq` of its run; `id` is that of the checkpoint."""

    id: str
    run_key: int
    run_id: RunId
    seq: int
    workflow_id: str
    node: str
    task_id: TaskId
    index: int | None
    attempt: int
    worker: str | None
    error: Mapping[str, Any]
    status: str = OPEN
    created_at: int = 0
    redriven_at: int | None = None


class DeadLetters(Protocol):
    """The part of the store that keeps them; they are written with the commits that they stand for."""

    async def dead_letter(self, letter_id: str) -> DeadLetter | None: ...

    async def dead_letters(
        self, status: str | None, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[DeadLetter, ...], str | None]:
        """Newest first, of one run if given, and the cursor of the next page. Raises Invalid for a cursor that is none
        of ours."""


def letter_of(run: Run, commit: Commit) -> DeadLetter | None:
    """The dead letter that a commit, which `run` has not taken yet, makes if a task has failed with it."""
    task, error = commit.task, commit.error
    if task is None or error is None or commit.kind not in (Kind.NODE, Kind.ITEM, Kind.FAILURE):
        return None
    if commit.handle == BROKEN and task.id not in commit.closed:
        return None  # what took too long is told of when its node's rules have been followed
    progress = run.progress.get(task.id)
    worker = commit.worker or (progress.worker if progress is not None else None)
    return DeadLetter(
        id=f"{run.id}.{commit.seq}", run_key=run.key, run_id=run.id, seq=commit.seq, workflow_id=run.graph.workflow_id,
        node=task.node, task_id=task.id, index=task.index, attempt=commit.attempt or 1, worker=worker,
        error=error.as_json(), created_at=commit.at,
    )  # fmt: skip


def failed_tasks(run: Run) -> list[TaskId]:
    """The tasks that have failed for good, which a retry starts again."""
    return [task_id for task_id, found in run.progress.items() if found.status is TaskStatus.FAILED]


def is_success(commit: Commit, failed: Commit) -> bool:
    """Whether a task succeeded with a commit that had failed with another one, under the same id or activated anew."""
    task, other = commit.task, failed.task
    if task is None or other is None or commit.error is not None or task.id not in commit.closed:
        return False
    return task.id == other.id or (task.wave, task.index) == (other.wave, other.index)


def is_retry(run: Run, letter: DeadLetter) -> bool:
    """Whether a letter is driven again by a retry of its run, which failed with it; else it is by a replay from the
    commit before. Raises Conflict where neither may be done."""
    if letter.status != OPEN:
        raise Conflict("the task was driven again already", "dead_letter.closed")
    if run.status is RunStatus.CANCELLED:
        raise Conflict("the run is cancelled, which is final; fork it instead", "run.cancelled")
    if run.status not in TERMINAL:
        raise Conflict(f"the run is {run.status}; its tasks are driven again when it has ended", "run.active")
    progress = run.progress.get(letter.task_id)
    return run.status is RunStatus.FAILED and progress is not None and progress.status is TaskStatus.FAILED
