"""The errors that every store raises in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from engine.errors import Conflict, NotFound, StaleCommit
from engine.model import RunHead
from engine.ports import InterruptRow, WorkflowRow


def stale(key: int, found: tuple[int, int] | None, why: str) -> StaleCommit:
    """A run that does not stand where a batch was planned; `found` is its version and epoch."""
    where = "is gone" if found is None else f"has version {found[0]} and epoch {found[1]}"
    return StaleCommit(f"run {key} {where}: {why}", run_key=key)


def has_forks(ids: Sequence[str]) -> Conflict:
    """Other runs stand on the checkpoints of one that was to be deleted; `ids` are the first of them."""
    names = ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
    message = f"the history of this run is needed by its forks, or by later runs of its session: {names}"
    return Conflict(message, "run.has_forks", forks=list(ids[:20]))


def no_session(session: str) -> NotFound:
    """An id names no session."""
    return NotFound(f"there is no session '{session[:80]}'")


def session_active(session: str, head: RunHead) -> Conflict:
    """A session cannot go while a run of it is not over."""
    return Conflict(f"run '{head.id}' of session '{session}' is {head.status}; cancel it first", "session.active")


def version_exists(row: WorkflowRow) -> Conflict:
    """A version of a workflow is taken."""
    return Conflict(f"workflow '{row.id}' has a version {row.version} already", "workflow.exists", version=row.version)


def version_differs(row: WorkflowRow) -> Conflict:
    """A version that a run brings along is there already, and says something else."""
    message = f"workflow '{row.id}' has a version {row.version} here that says something else than the run's"
    return Conflict(message, "workflow.differs", version=row.version)


def no_workflow(workflow_id: str) -> NotFound:
    """An id names no workflow."""
    return NotFound(f"there is no workflow '{workflow_id}'")


def worker_exists(worker_id: str) -> Conflict:
    """A worker's id is taken."""
    return Conflict(f"there is a worker '{worker_id}' already", "worker.exists")


def no_worker(worker_id: str) -> NotFound:
    """An id names no worker."""
    return NotFound(f"there is no worker '{worker_id}'")


def free_to_assign(row: InterruptRow | None, interrupt_id: str, assignee: str) -> TypeGuard[InterruptRow]:
    """Whether somebody can begin to look after an interrupt; False where they do already. Raises NotFound or
    Conflict."""
    if row is None:
        raise NotFound(f"there is no interrupt '{interrupt_id[:80]}'")
    if row.status != "open":
        raise Conflict(f"the interrupt is {row.status}", "interrupt.closed")
    if row.assignee not in (None, assignee):
        raise Conflict(f"'{row.assignee}' looks after this interrupt", "interrupt.claimed")
    return row.assignee is None


def no_artifact(sha256: str) -> NotFound:
    """A name that is none of an artifact here."""
    return NotFound(f"there is no artifact '{sha256[:80]}'; it may have expired")


def artifact_in_use(sha256: str) -> Conflict:
    """An artifact cannot go while a run refers to it, or is about to."""
    message = f"a run refers to artifact '{sha256}'; it goes by itself when no run does any more"
    return Conflict(message, "artifact.in_use")
