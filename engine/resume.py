"""Resuming: which open interrupt gets which value, and the commits that follow from it (language 3.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from engine.breakpoints import go_past
from engine.commits import Result, Step, finish, next_ref
from engine.control import as_invalid, check_edit
from engine.errors import Conflict, Invalid, NodeFailure
from engine.failure import error_of, fail
from engine.kinds import AUTH
from engine.model import TERMINAL, Commit, InterruptId, InterruptOpened, Kind, RunStatus, Task, Updates
from engine.questions import hand_on
from engine.run import Run
from engine.schema import Schema, compile_schema

Plan = Callable[[int], Step]
"""Plans a commit at a time; the run is as the commit before it has left it."""


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


def resume(run: Run, values: Mapping[InterruptId, Any], updates: Mapping[str, Any], actor: str) -> list[Plan]:
    """The commits that give interrupts their values, in order: breakpoints are passed, workers asked again, then come
    the nodes' own. The first is the edit. Everything is checked before anything is planned. Raises Conflict or
    Invalid."""
    for interrupt, value in values.items():
        check_value(run, interrupt, value)
    writes = check_edit(run, updates, next_ref(run))
    asked = [(run.interrupts[name], value) for name, value in values.items()]
    plans: list[Plan] = []
    for opened, _ in asked:
        if opened.kind == "breakpoint":
            plans.append(partial(go_past, run, opened, () if plans else writes, actor))
    for opened, value in asked:
        if opened.by_worker:
            plans.append(partial(hand_on, run, opened, value, () if plans else writes, actor))
    if nodes := [(opened, value) for opened, value in asked if opened.kind == "node"]:
        plans.append(partial(_resumed, run, [opened for opened, _ in nodes], () if plans else writes, actor))
        plans += [partial(_answer, run, opened, value, actor) for opened, value in nodes]
    return plans


def _resumed(run: Run, asked: list[InterruptOpened], writes: Updates, actor: str, now: int) -> Step:
    """The `resume` commit of interrupts whose nodes' commits come next."""
    first = run.tasks[asked[0].task_id]
    commit = Commit(
        ref=next_ref(run), kind=Kind.RESUME, at=now, branch=run.branch, parent=run.head, task=first,
        causes=first.causes, writes=writes, resolved=tuple(opened.id for opened in asked), actor=actor,
        epoch=run.epoch, status=RunStatus.RUNNING,
    )  # fmt: skip
    return Step(commit)


def check_value(run: Run, interrupt: InterruptId, value: Any) -> None:
    """Refuse a value that the interrupt's schema, or the state that it is written to, does not accept."""
    opened = run.interrupts.get(interrupt)
    if opened is None:
        raise Conflict(f"interrupt '{interrupt}' is not open", "interrupt.closed")
    if opened.kind == "breakpoint":
        if value not in (None, {}):
            raise Invalid(f"a breakpoint ('{opened.node}') takes no value: resume it with null", "resume.invalid")
        return
    if opened.kind == AUTH and value is None:  # the right was given elsewhere
        return
    if opened.by_worker:
        return _check_schema(opened, None if opened.schema is None else compile_schema(opened.schema), value)
    _check_schema(opened, run.node_of(run.tasks[opened.task_id]).spec.schema, value)
    try:
        _answered(run, run.tasks[opened.task_id], opened, value, 0, "check")
    except NodeFailure as failure:
        raise as_invalid(failure) from None


def _check_schema(opened: InterruptOpened, schema: Schema | None, value: Any) -> None:
    if schema is not None and (problems := schema.problems(value)):
        raise Invalid(
            f"the value for '{opened.node}' does not satisfy its schema: {problems[0].path or '/'}: "
            f"{problems[0].message}",
            "resume.invalid",
            [{"path": problem.path, "message": problem.message} for problem in problems],
        )


def _answered(run: Run, task: Task, opened: InterruptOpened, value: Any, now: int, actor: str) -> Step:
    """The node commit of an interrupt that got its value. Raises NodeFailure."""
    spec = run.node_of(task).spec
    result = Result(updates=spec.output.updates(value), answer={"output": value}, actor=actor)
    return finish(run, task, result, now)


def _answer(run: Run, opened: InterruptOpened, value: Any, actor: str, now: int) -> Step:
    """As `_answered`; a value that an edit made unfit since it was checked fails the node by its own rules."""
    task = run.tasks[opened.task_id]
    try:
        return _answered(run, task, opened, value, now, actor)
    except NodeFailure as failure:
        return fail(run, task, error_of(failure, task), now)
