"""What happens next in a run: pure decisions, from the run as it stands to the next commit or request.

`step` takes one ready task at a time and returns what it leads to; the caller takes up the commit and asks again.
Apart from that task leaving `ready`, nothing here changes the run.
"""

from __future__ import annotations

from engine import subgraphs
from engine.address import interrupt_id_of
from engine.answers import Retry, take_over
from engine.breakpoints import stop
from engine.cache import check_key
from engine.commits import Result, Step, finish, next_ref, status_after
from engine.errors import NodeFailure
from engine.failure import error_of, fail, fail_run
from engine.joins import check_quorum
from engine.limits import NO_LIMITS, Limits
from engine.missing import MISSING
from engine.model import Commit, InterruptOpened, Kind, RunStatus, Task, TaskStatus
from engine.output import check_output
from engine.plugins import node_types
from engine.rooms import MoveIn, around, bounds_inside, needs_room, room_of
from engine.run import Run
from engine.sends import fan_out, gather
from engine.values import dataclass
from engine.view import Ask, Chosen, Done, FanOut, Nest, Pause, Sleep
from engine.views import view_of

__all__ = ["Dispatch", "MoveIn", "Step", "Timed", "ask_of", "enter", "limits_of", "step", "view_of"]


_STILL = frozenset({RunStatus.CANCELLED, RunStatus.COMPLETED, RunStatus.QUEUED})
"""Statuses in which nothing happens by itself."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A task that is to be sent to a worker."""

    task: Task
    ask: Ask


@dataclass(frozen=True, slots=True)
class Timed:
    """A task that is done at a time, in milliseconds since the epoch."""

    task: Task
    due_at: int


Begun = Dispatch | Timed | Retry | MoveIn
"""What a task has begun that is carried out elsewhere, and comes back."""


def step(run: Run, now: int) -> Step | Begun | None:
    """What the run does next, or None when it waits for something from outside."""
    if run.status in _STILL:
        return None
    if run.limit is not None and not run.failing:
        return fail_run(run, run.limit, now)
    while run.ready and not run.failing:
        task = run.tasks.get(run.ready.popleft())
        if task is None:
            continue
        if (found := _go_on(run, task, now)) is not None:
            return found
    if run.frontier.empty and not run.failing:
        return _end(run, now)
    return None


def _go_on(run: Run, task: Task, now: int) -> Step | Begun | None:
    """What a task leads to that is next; None where it waits behind another one, which has asked for its room, or
    where there is nothing to do but to have its room."""
    for one in (*around(run, task), task):
        try:
            if not needs_room(run, one):
                continue
        except NodeFailure as failure:
            return fail(run, one, error_of(failure, one), now)
        asked = one.id in run.parked
        run.parked.setdefault(one.id, {})[task.id] = None
        return None if asked else MoveIn(one, room_of(run, one))
    if task.id in run.frames.nests:
        return subgraphs.go_on(run, task, now) if subgraphs.is_over(run, task) else None
    return gather(run, task, now) if task.id in run.calls else enter(run, task, now)


def enter(run: Run, task: Task, now: int) -> Step | Dispatch | Timed:
    """Activate a node: do its work, or find out what to ask whom; or stop at its breakpoint."""
    if task.gate is not None:
        return stop(run, task, now)
    node = run.node_of(task)
    try:
        check_quorum(run.frames.of(task).graph, task)
        outcome = node_types()[node.type].enter(node, view_of(run, task))
        match outcome:
            case Done():
                answer = None if outcome.output is MISSING else {"output": outcome.output}
                return finish(run, task, Result(updates=outcome.updates, answer=answer), now)
            case Chosen():
                return finish(run, task, Result(handles=outcome.handles, chosen=outcome.handles), now)
            case Ask():
                check_key(run, task)
                return _known_answer(run, task, outcome, now) or Dispatch(task, outcome)
            case _:
                return _begin(run, task, outcome, now)
    except NodeFailure as failure:
        return fail(run, task, error_of(failure, task), now)


def _begin(run: Run, task: Task, outcome: Pause | FanOut | Sleep | Nest, now: int) -> Step | Timed:
    """Have a task begin what is not done at once, and that no worker does."""
    match outcome:
        case Pause():
            return _known_value(run, task, outcome, now) or _pause(run, task, outcome, now)
        case FanOut():
            return fan_out(run, task, outcome, now)
        case Sleep():
            return _sleep(run, task, outcome, now)
        case Nest():
            return subgraphs.begin(run, task, now)


def _known_answer(run: Run, task: Task, ask: Ask, now: int) -> Step | None:
    """The commit of a task whose answer is known from the line that the run came from."""
    if run.recall is None:
        return None
    _, input_hash = run.encoder.take(ask.request)
    recorded = run.recall.answer_to(run, task, input_hash)
    try:
        return None if recorded is None else take_over(run, task, input_hash, recorded, now)
    except NodeFailure:  # the state does not take it any more: it is no answer here
        return None


def _known_value(run: Run, task: Task, pause: Pause, now: int) -> Step | None:
    """The commit of an interrupt whose value is known from the line that the run came from."""
    recorded = run.recall.value_for(run, task, pause.message, pause.schema) if run.recall is not None else None
    if recorded is None:
        return None
    value = recorded.answer["output"]
    updates = run.node_of(task).spec.output.updates(value)
    return finish(run, task, Result(updates=updates, answer=recorded.answer, reused=True), now)


def ask_of(run: Run, task: Task) -> Ask | None:
    """What an open task asks its worker, derived from its view; None for a node that asks nobody. Raises
    NodeFailure."""
    if run.is_busy(task.id) or task.gate is not None:
        return None
    node = run.node_of(task)
    asked = node_types()[node.type].enter(node, view_of(run, task))
    return asked if isinstance(asked, Ask) else None


def limits_of(run: Run, task: Task, ask: Ask) -> Limits:
    """The limits of a task, with the name that its node has over all runs and versions."""
    if ask.limits is NO_LIMITS:
        return NO_LIMITS
    return bounds_inside(run, task, ask.limits)


def _sleep(run: Run, task: Task, sleep: Sleep, now: int) -> Step | Timed:
    """Have a task wait; one that has begun to wait already goes on with what was left."""
    due_at = run.progress[task.id].due_at
    if due_at is None:
        due_at = now + sleep.lasts_ms if sleep.until_ms is None else sleep.until_ms
    return Timed(task, due_at) if due_at > now else finish(run, task, Result(), now)


def _pause(run: Run, task: Task, pause: Pause, now: int) -> Step:
    lasts = pause.expires_in_ms
    opened = InterruptOpened(
        id=interrupt_id_of(task, run.progress[task.id].interrupts),
        task_id=task.id,
        node=task.node,
        kind="node",
        message=pause.message,
        created_at=now,
        schema=pause.schema,
        actions=pause.actions,
        expires_at=None if lasts is None else now + lasts,
    )
    commit = Commit(
        ref=next_ref(run), kind=Kind.INTERRUPT, at=now, branch=run.branch, parent=run.head, task=task,
        causes=task.causes, interrupt=opened, status=status_after(run, (), 0, asks=task.id), epoch=run.epoch,
        task_status=TaskStatus.INTERRUPTED,
    )  # fmt: skip
    return Step(commit)


def _end(run: Run, now: int) -> Step:
    error = check_output(run.graph, {"input": run.input, "config": run.config}, run.history.lasting())
    if error is not None:
        return fail_run(run, error, now)
    commit = Commit(
        ref=next_ref(run), kind=Kind.END, at=now, branch=run.branch, parent=run.head,
        causes=tuple(sorted(run.history.tips)), status=RunStatus.COMPLETED, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, {})
