"""What people and programs ask of a run: start, resume, cancel, fork. What is refused raises and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.activation import follow
from engine.commits import Step, next_ref
from engine.errors import Conflict, Invalid, NodeFailure
from engine.fold import Entry
from engine.graph import Graph
from engine.migration import laid_over
from engine.model import (
    TERMINAL,
    Commit,
    Kind,
    Ref,
    RunStatus,
    Task,
    TaskId,
    Updates,
    Wave,
)
from engine.patch import pointer
from engine.run import Run
from engine.state import changed, normalised

# ---- start


def check_input(graph: Graph, given: Mapping[str, Any]) -> Updates:
    """The updates that an input makes. Raises Invalid with `state.unknown_key`, `state.invalid` or `input.invalid`."""
    unknown = [key for key in given if key not in graph.state and key not in graph.input_keys]
    if unknown:
        known = ", ".join(sorted({*graph.state, *graph.input_keys})) or "none"
        raise Invalid(
            f"input key '{unknown[0]}' is declared neither in state_schema nor in input_schema; known keys: {known}",
            "state.unknown_key",
            [{"path": pointer("", key), "message": "the key is not declared"} for key in unknown],
        )
    if graph.input_schema is not None and (problems := graph.input_schema.problems(given)):
        raise Invalid(
            f"the input does not satisfy input_schema: {problems[0].path or '/'}: {problems[0].message}",
            "input.invalid",
            [{"path": problem.path, "message": problem.message} for problem in problems],
        )
    return tuple((key, value) for key, value in given.items() if key in graph.state)


def start(run: Run, now: int, actor: str, carry: Mapping[str, Any] | None = None) -> Step:
    """The first commit of a run, with the input applied to the state that it begins with, after what is carried over
    to that. Raises Invalid."""
    given = laid_over(carry or {}, dict(check_input(run.graph, run.input)))
    try:
        writes = normalised(run.graph, given, f"{run.origin_id}|input")
        changed(run.graph, run.history.before(), writes)
    except NodeFailure as failure:
        raise as_invalid(failure) from None
    ref = next_ref(run)
    coming = Entry(ref, 1, (0, -1, -1), {}, task_id=run.id)
    root = Task(id=TaskId(run.id), wave=Wave("__start__"), causes=(), level=0)
    after = follow(run, root, coming, (None,), leaves=False)
    commit = Commit(
        ref=ref, kind=Kind.START, at=now, branch=run.branch, level=0, writes=writes, opened=after.opened,
        waiting=after.waiting, absorbed=after.absorbed, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, after.blockers)


# ---- edits


def check_edit(run: Run, updates: Mapping[str, Any] | Sequence[tuple[str, Any]], ref: Ref) -> Updates:
    """The writes of an edit, checked against the state shown. Raises Invalid."""
    pairs = updates.items() if isinstance(updates, Mapping) else updates
    try:
        writes = normalised(run.graph, tuple(pairs), f"{run.origin_id}|edit|{run.id}|{ref & 0xFFFFFFFF}")
        changed(run.graph, run.history.shown(), writes)
    except NodeFailure as failure:
        raise as_invalid(failure) from None
    return writes


def as_invalid(failure: NodeFailure) -> Invalid:
    """What refuses a value that somebody has given, where a node would fail by it: the place is the state key."""
    key = failure.error_details.get("key") if isinstance(failure.error_details, Mapping) else None
    places = [] if key is None else [{"path": pointer("", key), "message": failure.message}]
    return Invalid(failure.message, failure.node_code, places)


def require_begun(run: Run) -> None:
    """Raise Conflict where a run has no checkpoints: its turn in a session never came."""
    if not run.seq:
        raise Conflict(f"the run is {run.status} and has not begun", "run.not_begun")


# ---- cancel


def cancel(run: Run, now: int, actor: str) -> Step:
    """The `cancel` commit: final and immediate. Raises Conflict when the run is over."""
    if run.status in TERMINAL:
        raise Conflict(f"the run is {run.status} and cannot be cancelled", "run.terminal")
    commit = Commit(
        ref=next_ref(run), kind=Kind.CANCEL, at=now, branch=run.branch, parent=run.head if run.seq else None,
        status=RunStatus.CANCELLED, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit)
