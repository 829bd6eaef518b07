"""State that is injected into a run: at once, or right after the next commit of a node (language 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.address import task_id_of
from engine.commits import Step, next_ref
from engine.control import check_edit
from engine.errors import Conflict, Invalid
from engine.gates import named
from engine.model import START, TERMINAL, Commit, Kind, Ref, RunStatus, Task, seq_of
from engine.progress import Injection
from engine.run import Run
from engine.values import replace

AFTER = (Kind.NODE, Kind.ITEM)
"""The commits that an injection comes after: those with which a task ends. A fan-out is not the end of its send."""


def inject(run: Run, updates: Mapping[str, Any], now: int, actor: str) -> Step:
    """The commit of an edit: what is activated after it sees it. Raises Conflict or Invalid."""
    check_open(run)
    writes = check_edit(run, updates, next_ref(run))
    commit = Commit(
        ref=next_ref(run), kind=Kind.STATE, at=now, branch=run.branch, parent=run.head, writes=writes,
        status=run.status, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit)


def check_later(run: Run, injection: Injection) -> None:
    """Refuse what could not be injected now, or after a node that is none. Raises Conflict or Invalid."""
    check_open(run)
    if injection.node not in run.graph.nodes and not _is_first(run, injection):
        known = ", ".join(sorted(run.graph.nodes))
        raise Invalid(f"after_node: there is no node '{injection.node}'; the nodes are: {known}", "reference.node")
    check_edit(run, injection.updates, next_ref(run))


def _is_first(run: Run, injection: Injection) -> bool:
    """Whether it comes right after the beginning of a run that has not begun."""
    return injection.node == START and run.status is RunStatus.QUEUED


def check_open(run: Run) -> None:
    """Refuse an edit of a run that is over. Raises Conflict."""
    if run.status in TERMINAL:
        raise Conflict(f"the run is {run.status}: its state cannot be edited; fork or replay it", "run.terminal")


def due(run: Run, commit: Commit) -> list[Injection]:
    """The injections that come right after a commit."""
    if not run.injections:
        return []
    if commit.kind is Kind.START and commit.task is None:
        return [found for found in run.injections.values() if found.node == START]
    if commit.kind not in AFTER or commit.task is None or commit.frame:
        return []
    return [found for found in run.injections.values() if found.node == commit.task.node]


def inject_after(run: Run, opened: tuple[Task, ...], injection: Injection, now: int) -> Step:
    """The commit of an edit that comes before anything that the commit before it activated: these tasks (`opened`) are
    activated anew by it, and so see it. Raises Invalid where the state has changed so that it does not fit any more."""
    ref = next_ref(run)
    writes = check_edit(run, injection.updates, ref)
    again = tuple(_after(run, task, ref) for task in opened if task.id in run.tasks)
    commit = Commit(
        ref=ref, kind=Kind.STATE, at=now, branch=run.branch, parent=run.head, writes=writes,
        closed=tuple(task.id for task in opened if task.id in run.tasks), opened=again,
        status=run.status, actor=injection.actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit)


def _after(run: Run, task: Task, ref: Ref) -> Task:
    entries = run.frames.of(task).history.entries
    causes = [entries[cause].task_id for cause in task.causes if cause in entries]
    name = task_id_of(run, task.wave, (*causes, f"{run.id}.{seq_of(ref)}"), task.ways, task.index)
    return replace(named(task, name), causes=(*task.causes, ref))
