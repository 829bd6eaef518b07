"""Time travel: what begins at a checkpoint anew, in a run of its own or on another branch of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.activation import activate, held_back
from engine.address import task_id_of
from engine.commits import Step, next_ref
from engine.control import check_edit
from engine.errors import Conflict
from engine.history import Entry
from engine.model import Call, Commit, Kind, Ref, Task, TaskId
from engine.run import Run


def fork(run: Run, updates: Mapping[str, Any], now: int, actor: str) -> Step:
    """The first commit of a fork. `run` is the new run, rebuilt at the chosen checkpoint of its parent and detached:
    what was in flight there is activated anew, after the edit (language 3.4). Raises Conflict or Invalid."""
    if run.frontier.empty:
        raise Conflict("nothing was left to run at this checkpoint; fork from an earlier one", "fork.nothing_left")
    ref = next_ref(run)
    writes = check_edit(run, updates, ref)
    edit_id = f"{run.id}.{ref & 0xFFFFFFFF}"
    again, calls = _anew(run, ref, edit_id)
    freed = _freed(run, ref, edit_id)
    commit = Commit(
        ref=ref, kind=Kind.FORK, at=now, branch=run.branch, parent=run.head, writes=writes,
        closed=tuple(run.frontier.tasks), opened=(*again, *freed), joined=tuple(task.wave for task in freed),
        calls=calls, actor=actor, epoch=run.epoch,
    )  # fmt: skip
    return Step(commit, None, run.frontier.blockers)


def _freed(run: Run, ref: Ref, edit_id: str) -> tuple[Task, ...]:
    """The tasks of waves that a limit held back in the parent and that the fork's own limits let through."""
    freed: list[Task] = []
    for wave in held_back(run):
        task = activate(run, wave, run.frontier.waves[wave], Entry(ref, 0, (0, 0, 0), {}))
        if task.level <= run.max_steps and len(run.frontier.tasks) + len(freed) < run.max_tasks:
            names = [run.history.entries[cause].task_id for cause in task.causes]
            name = task_id_of(run, wave, (*names, edit_id), task.edges, None)
            freed.append(replace(task, id=name, causes=(*task.causes, ref)))
    return tuple(freed)


def _anew(run: Run, ref: Ref, edit_id: str) -> tuple[tuple[Task, ...], tuple[tuple[TaskId, Call], ...]]:
    """The open tasks under new ids, sends before their items."""
    ids: dict[TaskId, TaskId] = {}
    again: list[Task] = []
    tasks = sorted(run.frontier.tasks.values(), key=lambda task: task.call is not None)
    for task in tasks:
        causes = [run.history.entries[cause].task_id for cause in task.causes if cause in run.history.entries]
        ids[task.id] = task_id_of(run, task.wave, (*causes, edit_id), task.ways, task.index)
        call = ids[task.call] if task.call is not None else None
        again.append(replace(task, id=ids[task.id], causes=(*task.causes, ref), call=call))
    calls = tuple((ids[call], found.frozen()) for call, found in run.frontier.calls.items())
    return tuple(again), calls
