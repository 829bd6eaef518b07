"""What people and programs ask of a run: start, resume, cancel, fork. What is refused raises and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.activation import follow
from engine.commits import Result, Step, finish, next_ref
from engine.errors import Conflict, Invalid, NodeFailure
from engine.failure import error_of, fail
from engine.graph import Graph
from engine.history import Entry
from engine.model import (
    TERMINAL,
    Commit,
    InterruptId,
    InterruptOpened,
    Kind,
    Ref,
    RunStatus,
    Task,
    TaskId,
    Updates,
    Wave,
)
from engine.run import Run
from engine.state import changed, initial, normalised

# ---- start


def check_input(graph: Graph, given: Mapping[str, Any]) -> Updates:
    """The updates that an input makes. Raises Invalid with `state.unknown_key`, `state.invalid` or `input.invalid`."""
    unknown = [key for key in given if key not in graph.state and key not in graph.input_keys]
    if unknown:
        known = ", ".join(sorted({*graph.state, *graph.input_keys})) or "none"
        raise Invalid(
            f"input key '{unknown[0]}' is declared neither in state_schema nor in input_schema; known keys: {known}",
            "state.unknown_key",
        )
    if graph.input_schema is not None and (problems := graph.input_schema.problems(given)):
        raise Invalid(
            f"the input does not satisfy input_schema: {problems[0].path or '/'}: {problems[0].message}",
            "input.invalid",
            [{"path": problem.path, "message": problem.message} for problem in problems],
        )
    return tuple((key, value) for key, value in given.items() if key in graph.state)


def start(run: Run, now: int, actor: str) -> Step:
    """The first commit of a run, with the input applied to the initial state. Raises Invalid."""
    given = check_input(run.graph, run.input)
    try:
        writes = normalised(run.graph, given, f"{run.origin_id}|input")
        changed(run.graph, initial(run.graph), writes)
    except NodeFailure as failure:
        raise Invalid(failure.message, failure.node_code) from None
    ref = next_ref(run)
    coming = Entry(ref, 1, (0, -1, -1), {}, task_id=run.id)
    root = Task(id=TaskId(run.id), wave=Wave("__start__"), causes=(), level=0)
    after = follow(run, root, coming, (None,), leaves=False)
    commit = Commit(
        ref=ref, kind=Kind.START, at=now, branch=run.branch, level=0, writes=writes, opened=after.opened,
        waiting=after.waiting, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, after.blockers)


# ---- resume


def choose_interrupts(run: Run, value: Any) -> dict[InterruptId, Any]:
    """Which open interrupt gets which value (language 3.4). Raises Conflict or Invalid."""
    if run.status in TERMINAL or run.failing:
        raise Conflict(f"the run is {run.status}: it waits for no answer", "run.not_interrupted")
    if not run.interrupts:
        raise Conflict("no interrupt of this run is open", "run.not_interrupted")
    if isinstance(value, dict) and value and all(key in run.interrupts for key in value):
        return {InterruptId(key): found for key, found in value.items()}
    if len(run.interrupts) > 1:
        ids = ", ".join(f"{found.id} ({found.node})" for found in run.interrupts.values())
        raise Invalid(f"several interrupts are open, give an object of values by id: {ids}", "resume.ambiguous")
    return {next(iter(run.interrupts)): value}


def choose_interrupt(run: Run, interrupt: InterruptId, value: Any) -> dict[InterruptId, Any]:
    """The value for one interrupt by id. Raises Conflict when it is not open."""
    if run.status in TERMINAL or run.failing or interrupt not in run.interrupts:
        raise Conflict(f"interrupt '{interrupt}' is not open", "interrupt.closed")
    return {interrupt: value}


def resume(run: Run, values: Mapping[InterruptId, Any], updates: Mapping[str, Any], now: int, actor: str) -> Step:
    """The `resume` commit: the edit that comes before the nodes' commits. Raises Conflict or Invalid."""
    for interrupt, value in values.items():
        check_value(run, interrupt, value)
    writes = check_edit(run, updates, next_ref(run))
    first = run.frontier.tasks[run.interrupts[next(iter(values))].task_id]
    commit = Commit(
        ref=next_ref(run), kind=Kind.RESUME, at=now, branch=run.branch, parent=run.head, task=first,
        causes=first.causes, writes=writes, resolved=tuple(values), actor=actor, epoch=run.epoch,
        status=RunStatus.RUNNING,
    )  # fmt: skip
    return Step(commit, None, run.frontier.blockers)


def check_value(run: Run, interrupt: InterruptId, value: Any) -> None:
    """Refuse a value that the interrupt's schema, or the state that it is written to, does not accept."""
    opened = run.interrupts.get(interrupt)
    if opened is None:
        raise Conflict(f"interrupt '{interrupt}' is not open", "interrupt.closed")
    spec = run.graph.nodes[opened.node].spec
    if spec.schema is not None and (problems := spec.schema.problems(value)):
        raise Invalid(
            f"the value for '{opened.node}' does not satisfy its schema: {problems[0].path or '/'}: "
            f"{problems[0].message}",
            "resume.invalid",
            [{"path": problem.path, "message": problem.message} for problem in problems],
        )
    task = run.frontier.tasks[opened.task_id]
    try:
        answered(run, task, opened, value, 0, "check")
    except NodeFailure as failure:
        raise Invalid(failure.message, failure.node_code) from None


def answered(run: Run, task: Task, opened: InterruptOpened, value: Any, now: int, actor: str) -> Step:
    """The node commit of an interrupt that got its value. Raises NodeFailure."""
    spec = run.graph.nodes[opened.node].spec
    result = Result(updates=spec.output.updates(value), answer={"output": value}, actor=actor)
    return finish(run, task, result, now)


def answer_interrupt(run: Run, opened: InterruptOpened, value: Any, now: int, actor: str) -> Step:
    """As `answered`; a value that an edit made unfit since it was checked fails the node by its own rules."""
    task = run.frontier.tasks[opened.task_id]
    try:
        return answered(run, task, opened, value, now, actor)
    except NodeFailure as failure:
        return fail(run, task, error_of(failure, task), now)


def check_edit(run: Run, updates: Mapping[str, Any] | Sequence[tuple[str, Any]], ref: Ref) -> Updates:
    """The writes of an edit, checked against the state shown. Raises Invalid."""
    pairs = updates.items() if isinstance(updates, Mapping) else updates
    try:
        writes = normalised(run.graph, tuple(pairs), f"{run.origin_id}|edit|{run.id}|{ref & 0xFFFFFFFF}")
        changed(run.graph, run.history.shown(), writes)
    except NodeFailure as failure:
        raise Invalid(failure.message, failure.node_code) from None
    return writes


# ---- cancel


def cancel(run: Run, now: int, actor: str) -> Step:
    """The `cancel` commit: final and immediate. Raises Conflict when the run is over."""
    if run.status in TERMINAL:
        raise Conflict(f"the run is {run.status} and cannot be cancelled", "run.terminal")
    commit = Commit(
        ref=next_ref(run), kind=Kind.CANCEL, at=now, branch=run.branch, parent=run.head,
        status=RunStatus.CANCELLED, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, run.frontier.blockers)
