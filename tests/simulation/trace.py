"""A run as text, a line for each commit: what a failing case is shown with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.model import Arrival, Commit, Ref, Task, Wave, run_key_of, seq_of
from engine.record import decode
from tests.simulation.world import World


def trace(world: World) -> Iterator[str]:
    """The rows of the run in memory, those of the runs that it was forked from first, and how it stands."""
    key = world.run.key
    for row in world.rows():
        marks = " [snapshot]" if row.snapshot is not None else ""
        yield f"{row.run_key}.{row.seq:<3} {_line(decode(row), row.run_key)} {row.status}{marks}"
    run = world.run
    yield f"in memory: {run.status} at {run.seq}{', failing' if run.failing else ''}; its row: {world.head.status}"
    for task_id, progress in run.progress.items():
        task = run.tasks.get(task_id)
        name = task_name(task) if task is not None else task_id
        yield f"  open: {name} {progress.status} attempt {progress.attempt}{' accepted' if progress.accepted else ''}"
    for wave, arrivals in run.frontier.waves.items():
        yield f"  waiting: {wave_name(wave)} {[_arrival(one, key) for one in arrivals]}"


def wave_name(wave: Wave) -> str:
    """A node with its rounds."""
    return f"{wave.node}{list(wave.rounds) if wave.rounds else ''}"


def task_name(task: Task) -> str:
    """A task as people tell it from others."""
    return wave_name(task.wave) + (f"#{task.index}" if task.index is not None else "")


def _line(commit: Commit, key: int) -> str:
    parts = [f"{commit.kind:<9} {task_name(commit.task) if commit.task else '':<8}"]
    more: list[tuple[str, Any]] = [
        ("level", commit.level),
        ("causes", [_ref(ref, key) for ref in commit.causes]),
        ("writes", dict(commit.writes) if len(dict(commit.writes)) == len(commit.writes) else commit.writes),
        ("chosen", commit.chosen),
        ("by", commit.handle),
        ("error", commit.error and f"{commit.error.code}: {commit.error.message}"),
        ("opens", [task_name(task) for task in commit.opened]),
        ("waits", [f"{wave_name(one.wave)} from {_ref(one.cause, key)}" for one in commit.waiting]),
        ("resolved", bool(commit.resolved)),
    ]
    return " ".join([*parts, *(f"{name}={value}" for name, value in more if value)])


def _arrival(arrival: Arrival, key: int) -> str:
    return f"{_ref(arrival.cause, key)} over edge {arrival.edge}"


def _ref(ref: Ref, key: int) -> str:
    return str(seq_of(ref)) if run_key_of(ref) == key else f"{run_key_of(ref)}.{seq_of(ref)}"
