"""Subgraphs: how a task runs another graph as a frame of the run, turn by turn, and what comes of it (language 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.activation import follow
from engine.address import frame_of, origin_of
from engine.answers import Retry
from engine.commits import Result, Step, cancelled, finish, next_ref, status_after
from engine.control import check_input
from engine.errors import Invalid, NodeFailure
from engine.failure import end_frame, error_of, fail, next_try_ms
from engine.fold import Entry
from engine.frame import Frame, is_inside
from engine.gates import stops_inside
from engine.graph import LIMIT_HANDLE
from engine.model import START, Commit, ErrorInfo, Kind, Nested, Task, TaskId, Updates, Wave
from engine.nodes.subgraph import SubgraphSpec
from engine.output import output_of
from engine.run import Run
from engine.state import changed, initial, normalised
from engine.values import replace
from engine.views import view_of
from engine.weight import require_light


def begin(run: Run, task: Task, now: int) -> Step:
    """The commit that begins the frame of a subgraph; of a loop that has no turn at all, the one that ends the task."""
    spec: SubgraphSpec = run.node_of(task).spec
    names = view_of(run, task).names()
    if not spec.goes_on(names):
        return finish(run, task, Result(answer={"output": None}), now)
    return _turn(run, task, names, Nested(frame="", attempt=run.progress[task.id].attempt), now)


def _turn(run: Run, task: Task, names: Mapping[str, Any], nested: Nested, now: int) -> Step:
    """The commit that begins a turn: the child starts from its own initial state, with what is mapped into it. Raises
    NodeFailure."""
    spec: SubgraphSpec = run.node_of(task).spec
    given = spec.input_of(names)
    name = frame_of(run, task, nested.turn, nested.attempt)
    try:
        writes = normalised(spec.child, check_input(spec.child, given), f"{run.origin_id}|{name}|input")
    except Invalid as invalid:
        raise NodeFailure(invalid.reason, f"input_mapping: {invalid.message}") from None
    changed(spec.child, initial(spec.child), writes)
    ref, root = next_ref(run), Task(id=task.id, wave=Wave(START, frame=name), causes=(), level=0)
    stops = stops_inside(run.frames.of(task).stops, task.node, spec.child)
    with _provisional(run, Frame(id=name, graph=spec.child, input=given, config={}, stops=stops)):
        after = follow(run, root, Entry(ref, 1, (0, -1, -1), {}, task_id=task.id), (None,), leaves=False)
    left = _open_inside(run, task)
    commit = Commit(
        ref=ref, kind=Kind.START, at=now, branch=run.branch, parent=run.head, task=task, level=0, writes=writes,
        causes=task.causes, frames=((task.id, replace(nested, frame=name, input=given)),), closed=left,
        cancelled=cancelled(run, left), opened=after.opened, waiting=after.waiting, absorbed=after.absorbed,
        epoch=run.epoch, status=status_after(run, left, 1),
    )  # fmt: skip
    return Step(commit, None, after.blockers)


@contextmanager
def _provisional(run: Run, frame: Frame) -> Iterator[None]:
    """Have a frame be there while its beginning is planned."""
    run.frames.by_id[frame.id] = frame
    try:
        yield
    finally:
        del run.frames.by_id[frame.id]


def _open_inside(run: Run, task: Task) -> tuple[TaskId, ...]:
    """The open tasks in the frame of a subgraph, and in the frames inside it."""
    if (frame := run.frames.nests.get(task.id)) is None:
        return ()
    return tuple(one.id for one in run.tasks.values() if is_inside(one.wave.frame, frame))


# ---- the end of a turn


def is_over(run: Run, task: Task) -> bool:
    """Whether a subgraph in progress is to go on: nothing is left to do in its frame, or another try of it is due."""
    frame = run.frames[run.frames.nests[task.id]]
    return frame.ended or run.progress[task.id].attempt > frame.attempt


def go_on(run: Run, task: Task, now: int) -> Step | Retry:
    """What follows where nothing is left to do in the frame of a subgraph: the next turn, or the end of the task."""
    frame, attempt = run.frames[run.frames.nests[task.id]], run.progress[task.id].attempt
    try:
        if attempt > frame.attempt:
            return _turn(run, task, view_of(run, task).names(), Nested(frame="", attempt=attempt), now)
        if frame.error is not None:
            return _failed(run, task, frame, frame.error, now)
        return _ended(run, task, frame, now)
    except NodeFailure as failure:
        return _failed(run, task, frame, error_of(failure, task), now)


def _ended(run: Run, task: Task, frame: Frame, now: int) -> Step:
    spec: SubgraphSpec = run.node_of(task).spec
    output = output_of(frame.graph, {"input": frame.input, "config": frame.config}, frame.history.lasting())
    new = spec.output.updates(output) if task.call is None else ()
    updates = (*frame.updates, *new)
    require_light(task.node, updates if task.call is None else (("output", output),))
    result = Result(updates=updates, answer={"output": output})
    names = _names_after(run, task, result.updates)
    if spec.loop is None or spec.is_done(names) or not spec.goes_on(names):
        return finish(run, task, result, now)
    if frame.turn < spec.loop.most:
        nested = Nested(frame="", turn=frame.turn + 1, attempt=frame.attempt, updates=new)
        return _turn(run, task, names, nested, now)
    match spec.loop.on_limit:
        case "edge":
            return finish(run, task, replace(result, handles=(LIMIT_HANDLE,), handle=LIMIT_HANDLE), now)
        case "continue":
            return finish(run, task, result, now)
        case _:
            raise NodeFailure("loop.limit", f"'{task.node}' has run {frame.turn} times, and its loop goes on")


def _names_after(run: Run, task: Task, updates: Updates) -> dict[str, Any]:
    """What the state around a subgraph says once its turns have written to it. Raises NodeFailure."""
    graph, view = run.frames.of(task).graph, view_of(run, task)
    writes = normalised(graph, updates, origin_of(run, task))
    return {**view.names(), "state": {**view.state, **changed(graph, view.state, writes)}}


# ---- failure


def _failed(run: Run, task: Task, frame: Frame, error: ErrorInfo, now: int) -> Step | Retry:
    """What a frame that has failed leads to: another try of the whole, or what the node's rules say."""
    delay = next_try_ms(run, task, frame, error)
    if delay is None:
        return fail(run, task, error, now)
    return Retry(task_id=task.id, attempt=frame.attempt + 1, due_at=now + delay, error=replace(error, node=task.node))


def timed_out(run: Run, task: Task, now: int) -> Step:
    """The commit that ends all work of a subgraph that took too long."""
    limit = run.node_of(task).spec.timeout_ms
    message = f"'{task.node}' was not done within {limit} ms"
    error = ErrorInfo(code="timeout", message=message, node=task.node, task_id=task.id, retryable=True)
    return end_frame(run, task, error, now)
