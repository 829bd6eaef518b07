"""Breakpoints as the checker sees them: what a commit sends along edges, and what it has to hold back."""

from __future__ import annotations

from engine.answer import parse_answer
from engine.gates import gate_after, is_after, passed
from engine.model import Commit, Kind, Ref, Task, TaskStatus
from engine.verify.line import Line

Handles = tuple[str | None, ...]
Names = tuple[str, ...] | None


def passes(commit: Commit) -> Task | None:
    """The gate that a commit lets go on."""
    task = commit.task
    gone = commit.kind is Kind.RESUME and task is not None and task.gate is not None and task.id in commit.closed
    return task if gone else None


def leaves(line: Line, commit: Commit) -> tuple[Ref, Handles, Names]:
    """By which handles, or for which nodes, work leaves with a commit, and the commit that it comes from."""
    if (gate := passes(commit)) is not None and gate.gate is not None:
        return gate.causes[0], gate.gate.handles or (), gate.gate.goto
    if _stops_after(line, commit):
        return commit.ref, (), None
    return commit.ref, _handles(commit), _names(commit)


def _names(commit: Commit) -> Names:
    """The nodes that the answer of a commit names."""
    if commit.kind is not Kind.NODE or commit.error is not None or commit.answer is None:
        return None
    return parse_answer(commit.answer).goto


def _handles(commit: Commit) -> Handles:
    if commit.kind not in (Kind.START, Kind.NODE) or commit.task_status is TaskStatus.SKIPPED:
        return ()
    return (commit.handle,) if commit.handle else commit.chosen or (None,)


def _stops_after(line: Line, commit: Commit) -> bool:
    return commit.kind is Kind.NODE and commit.task is not None and commit.task.node in line.stops.after


def stops_right(line: Line, commit: Commit) -> bool:
    """Whether a commit holds back what has a breakpoint, and nothing else."""
    if _stops_after(line, commit) and commit.task is not None:
        gate = gate_after(commit.task, commit.ref, commit.level or 0, _handles(commit), _names(commit))
        return commit.opened == (gate,)
    if (gate_before := passes(commit)) is not None and not is_after(gate_before):
        return commit.opened == (passed(gate_before),)
    if commit.kind not in (Kind.START, Kind.NODE, Kind.RESUME):
        return True
    return all((task.gate is not None) == (task.node in line.stops.before) for task in commit.opened)
