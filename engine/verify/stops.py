"""Breakpoints as the checker sees them: what a commit sends along edges, and what it has to hold back."""

from __future__ import annotations

from collections.abc import Mapping

from engine.gates import gate_after, is_after, passed, put_back
from engine.model import Arrival, Commit, Kind, Task, run_key_of
from engine.values import replace
from engine.verify import walk
from engine.verify.line import Line


def passes(commit: Commit) -> Task | None:
    """The gate that a commit lets go on."""
    task = commit.task
    gone = commit.kind is Kind.RESUME and task is not None and task.gate is not None and task.id in commit.closed
    return task if gone else None


def sent(line: Line, commit: Commit) -> list[Arrival]:
    """What is sent on with a commit: by it, or by the one after which a breakpoint has held it back."""
    if (gate := passes(commit)) is not None:
        done = line.of(gate.causes)[0]
        return walk.sent(line.graph, replace(done, task=gate), line.closed) if is_after(gate) else []
    return [] if _stops_after(line, commit) else walk.sent(line.graph, commit, line.closed)


def _stops_after(line: Line, commit: Commit) -> bool:
    return commit.kind is Kind.NODE and commit.task is not None and commit.task.node in line.stops.after


def stops_right(line: Line, commit: Commit) -> bool:
    """Whether a commit holds back what has a breakpoint, and nothing else."""
    if _stops_after(line, commit) and commit.task is not None:
        gate = gate_after(commit.task, commit.ref, commit.level or 0, walk.handles(commit), walk.named_by(commit))
        return commit.opened == (gate,)
    if (gate_before := passes(commit)) is not None and not is_after(gate_before):
        return commit.opened == (passed(gate_before),)
    if commit.kind not in (Kind.START, Kind.NODE, Kind.RESUME):
        return True
    may_stop = line.head.seat is not None or run_key_of(commit.ref) != line.head.key  # anywhere, for its session
    return all(
        (task.gate is not None) == (task.node in line.stops.before) or (may_stop and task.gate is not None)
        for task in commit.opened
    )


def puts_back_right(commit: Commit, open_before: Mapping[str, Task]) -> bool:
    """Whether what waits behind breakpoints is what had not begun, and nothing else happens."""
    left = [open_before.get(name) for name in commit.closed]
    gates = [put_back(task, commit.seq) for task in left if task is not None and task.gate is None]
    return list(commit.opened) == gates and len(gates) == len(left) > 0 and not (commit.writes or commit.waiting)
