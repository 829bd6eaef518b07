"""What a run enters next: tasks that were activated, sends whose items are done, subgraphs that nothing is left in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from engine.frame import ROOT
from engine.graph import BROKEN
from engine.limits import LimitReason
from engine.model import Commit, Kind, Task, TaskId

if TYPE_CHECKING:
    from engine.run import Run


def queue(run: Run, commit: Commit) -> None:
    """Note which tasks of a commit can be entered next."""
    for call, _ in commit.calls:
        _queue_call(run, call, commit.at)
    for name, nested in commit.frames:
        run.unready(name)
        if commit.kind is Kind.START:
            run.progress[name].begin_frame(nested.attempt, commit.seq, commit.at)
        else:
            line_up(run, (name,))
    for task in commit.opened:
        _queue_opened(run, task, commit)
    if commit.kind is Kind.ITEM and commit.task is not None and commit.task.call is not None:
        run.note_item(commit)
        _next_item(run, commit.task.call, commit.at)


def _queue_opened(run: Run, task: Task, commit: Commit) -> None:
    if commit.kind is Kind.RESUME:  # what was put back before a breakpoint has the id that it had
        run.unready(task.id)
    if task.call is not None:
        _queue_item(run, task.call, task.id)
    elif not run.is_busy(task.id):
        run.ready.append(task.id)


def is_bounded(run: Run, task_id: TaskId) -> bool:
    """Whether a node, or a send for its items, bounds a task from its beginning to its end."""
    task = run.tasks[task_id]
    by_send = task.call is not None and run.node_of(run.tasks[task.call]).spec.each is not None
    return task.gate is None and (by_send or getattr(run.node_of(task).spec, "stay", None) is not None)


def line_up(run: Run, nests: Iterable[TaskId]) -> None:
    """Have subgraphs in progress that are bounded take their turn anew: what is inside of them goes on after that."""
    run.ready.extend(task for task in nests if is_bounded(run, task) and task not in run.ready)


def _queue_call(run: Run, call: TaskId, at: int) -> None:
    """A send waits for its items; it is next itself when all of them are done."""
    if call in run.progress:
        run.progress[call].started_at = at
    run.unready(call)
    found = run.calls[call]
    if len(found.done) == found.size:
        run.ready.append(call)


def _queue_item(run: Run, call: TaskId, item: TaskId) -> None:
    if run.is_busy(item):
        run.calls[call].started += 1
    elif _is_full(run, call):
        run.held.setdefault(call, deque()).append(item)
        run.progress[item].reason = LimitReason.MAX_CONCURRENCY
    else:
        run.ready.append(item)
        run.calls[call].started += 1


def _is_full(run: Run, call: TaskId) -> bool:
    limit = run.node_of(run.tasks[call]).spec.max_concurrency
    return limit is not None and run.calls[call].started >= limit


def _next_item(run: Run, call: TaskId, at: int) -> None:
    if call not in run.calls:
        return
    found = run.calls[call]
    found.started -= 1
    if waiting := run.held.get(call):
        run.ready.append(waiting.popleft())
        begins = run.progress[run.ready[-1]]
        begins.reason, begins.again_at = None, at
        found.started += 1
    elif len(found.done) == found.size:
        run.ready.append(call)


def wake(run: Run, commit: Commit) -> None:
    """Have a subgraph go on that nothing is left to do in after a commit, or that it breaks."""
    if not run.frames.nested:
        return
    names = {commit.frame, *(nested.frame for _, nested in commit.frames)}
    if commit.handle == BROKEN and commit.task is not None and commit.error is not None:
        whole = commit.kind is Kind.FAILURE
        broken = run.frames[run.frames.nests[commit.task.id] if whole else commit.frame]
        broken.fail(commit.error, None if whole else broken.history.entries.get(commit.ref))
        names.add(broken.id)
    for frame in (run.frames.by_id[name] for name in names - {ROOT} if name in run.frames.by_id):
        if frame.ended and frame.task is not None and frame.task not in run.ready:
            run.ready.append(frame.task)


def waiting_for_others(run: Run) -> list[TaskId]:
    """The sends and subgraphs in progress that are not next themselves."""
    sends = [call for call, found in run.calls.items() if len(found.done) < found.size]
    return [*sends, *(task for task, name in run.frames.nests.items() if not run.frames[name].ended)]
