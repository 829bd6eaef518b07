"""Time travel: what begins at a checkpoint anew, in a run of its own or on another branch of the same run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from engine.activation import activate, held_back
from engine.address import generation_of, task_id_of
from engine.again import asks_anew
from engine.commits import Step, next_ref
from engine.control import check_edit, require_begun
from engine.errors import Conflict, Invalid
from engine.fold import Entry
from engine.gates import held, named
from engine.graph import Graph
from engine.migration import adopt, carried, laid_over, late_on, migrate
from engine.model import (
    END,
    NAMED,
    Arrival,
    Call,
    Commit,
    Kind,
    Nested,
    Ref,
    Reuse,
    RunStatus,
    Task,
    TaskId,
    Updates,
    Wave,
    seq_of,
)
from engine.run import Run
from engine.standstill import only_waits
from engine.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a fork or replay is to be: an edit, which recorded answers it may take over (None: none), the nodes to run
    instead of what was in flight (None: that), and the version of the workflow to go on with (None: the same)."""

    updates: Mapping[str, Any] = field(default_factory=dict)
    reuse: Reuse | None = None
    goto: tuple[str, ...] | None = None
    graph: Graph | None = None


def fork(run: Run, wish: Wish, now: int, actor: str) -> Step:
    """The first commit of a fork. `run` is the new run, rebuilt at the chosen checkpoint of its parent and detached:
    what was in flight there is activated anew, after the edit (language 3.4). Raises Conflict or Invalid."""
    return _begin_anew(run, Kind.FORK, wish, now, actor)


def replay(run: Run, wish: Wish, now: int, actor: str) -> Step:
    """The first commit of a new branch. `run` is the run as it was at the chosen checkpoint, `moved` to the branch:
    what was in flight there is activated anew, after the edit (language 3.4). Raises Conflict or Invalid."""
    return _begin_anew(run, Kind.REPLAY, wish, now, actor)


def _begin_anew(run: Run, kind: Kind, wish: Wish, now: int, actor: str) -> Step:
    if run.history.root is None:
        raise Conflict("the run had not begun at this checkpoint; start another one", "fork.nothing_left")
    if wish.goto is not None:
        return _begin_at(run, kind, wish, wish.goto, now, actor)
    if run.frontier.empty:
        raise Conflict("nothing was left to run at this checkpoint; choose an earlier one", "fork.nothing_left")
    if wish.graph is not None and wish.graph.version != run.graph.version:
        return _begin_on(run, wish.graph, kind, wish, now, actor)
    writes = check_edit(run, wish.updates, next_ref(run))
    return Step(_anew(run, kind, writes, now, actor, wish.reuse))


def _begin_on(run: Run, graph: Graph, kind: Kind, wish: Wish, now: int, actor: str) -> Step:
    """A fork or replay onto another version: the commit says how all that is active stands in that one."""
    versions, carry = _change(run, graph)
    before, open_before = run.frames.saved(), tuple(run.tasks)
    dropped = migrate(run, graph)
    if run.frontier.empty:
        gone = ", ".join(dropped[:10])
        raise Conflict(f"version {graph.version} has nothing of what was left to run ({gone})", "fork.nothing_left")
    writes = check_edit(run, laid_over(carry, wish.updates), next_ref(run))
    commit = _anew(run, kind, writes, now, actor, wish.reuse)
    run.frames.take(commit)  # what waits after it is said anew
    left = tuple(run.frontier.waiting())
    commit = replace(commit, versions=versions, dropped=dropped, closed=open_before, joined=(), waiting=left)
    commit = replace(commit, absorbed=tuple(sorted(run.frontier.absorbed)))
    run.frames.put_back(before)  # the commit says all that changes in it
    return Step(commit, None, None)


def _change(run: Run, graph: Graph) -> tuple[tuple[int, int], dict[str, Any]]:
    """The versions before and after a change to another one, and the values that it carries over."""
    return (run.graph.version, graph.version), carried(run, graph)


def _begin_at(run: Run, kind: Kind, wish: Wish, goto: tuple[str, ...], now: int, actor: str) -> Step:
    """What begins with the nodes that are named, in a generation of their own, in place of all that was in flight."""
    versions, carry, late = None, dict[str, Any](), tuple[Arrival, ...]()
    if wish.graph is not None and wish.graph.version != run.graph.version:
        versions, carry = _change(run, wish.graph)
        late = late_on(run, wish.graph)
        adopt(run, wish.graph)
    names = tuple(dict.fromkeys(name for name in goto if name != END))
    for name in names:
        if name not in run.graph.nodes:
            raise Invalid(f"'goto' names '{name[:80]}', which is no node of the workflow", "goto.unknown_node")
    if not names:
        raise Conflict("'goto' leaves nothing to run; name a node", "fork.nothing_left")
    writes = check_edit(run, laid_over(carry, wish.updates), next_ref(run))
    commit = Commit(
        ref=next_ref(run), kind=kind, at=now, branch=run.branch, parent=run.head, writes=writes,
        closed=tuple(run.tasks), opened=_named(run, names), actor=actor, epoch=run.epoch, reuse=wish.reuse,
        goto=names, versions=versions, waiting=late,
    )  # fmt: skip
    return Step(commit, None, {})


def _named(run: Run, names: Sequence[str]) -> tuple[Task, ...]:
    """The tasks of nodes that are named, caused by every commit that nothing followed from, and the one to come."""
    ref, ends, shape = next_ref(run), run.history.ends(None), run.graph.topology
    level = run.history.max_level + 1
    # the same in every fork from there, as are addresses in it, and in every store that has this history
    ended = sorted(end.task_id for end in ends if end.task_id not in ("", run.id))
    generation = generation_of("|".join(("goto", run.origin_id, str(seq_of(run.head or ref)), *ended)))
    if level > run.max_steps or len(names) > run.max_tasks:
        which, most = ("max_steps", run.max_steps) if level > run.max_steps else ("max_tasks", run.max_tasks)
        raise Conflict(f"'goto' would go beyond config.{which}, which is {most}", "goto.limit")
    causes = (*(end.ref for end in ends), ref)
    above = (*(end.task_id for end in ends), f"{run.id}.{seq_of(ref)}")
    waves = [Wave(name, shape.first_rounds(name), "", generation) for name in names]
    tasks = (
        Task(id=task_id_of(run, wave, above, (), None), wave=wave, causes=causes, level=level, place=NAMED)
        for wave in waves
    )
    return tuple(held(run.stops, task) for task in tasks)


def moved(run: Run, to: Run, branch: int) -> Run:
    """A run as it was at a checkpoint, to go on from there as the newest of what `run` is now, on a branch."""
    to.seq, to.events, to.usage, to.epoch, to.timed = run.seq, run.events, run.usage, run.epoch, run.timed
    to.jumps, to.last_branch, to.limits, to.branch = run.jumps, run.last_branch, run.limits, branch
    return to


def checkout(run: Run, now: int, actor: str) -> Step:
    """The commit that takes up a branch that was left. `run` is the run as it was at that branch's head, `moved` to
    it. Open work is activated anew, under new ids; a line that had ended stays as it ended (language 3.4)."""
    over = run.status in (RunStatus.COMPLETED, RunStatus.FAILED) or run.failing
    if not over:
        return Step(_anew(run, Kind.CHECKOUT, (), now, actor))
    commit = Commit(
        ref=next_ref(run), kind=Kind.CHECKOUT, at=now, branch=run.branch, parent=run.head, error=run.error,
        status=RunStatus.COMPLETED if run.status is RunStatus.COMPLETED else RunStatus.FAILED, actor=actor,
        epoch=run.epoch,
    )  # fmt: skip
    return Step(commit)


# ---- a failed run


LIMITS = ("max_steps", "max_tasks", "timeout_ms", "stall_timeout_ms", "max_cost")
OFF = frozenset({"timeout_ms", "stall_timeout_ms", "max_cost"})
"""Those that `null` switches off."""


def check_limits(limits: Mapping[str, Any]) -> None:
    """Refuse what is no limit that a retry can raise. Raises Invalid."""
    for name, value in limits.items():
        if name not in LIMITS:
            raise Invalid(f"a retry can raise {', '.join(LIMITS)}, and not '{name}'", "config.invalid")
        if value is None and name in OFF:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise Invalid(f"config.{name} must be a number above 0", "config.invalid")
        if name != "max_cost" and value != int(value):
            raise Invalid(f"config.{name} must be a whole number", "config.invalid")


def retry(run: Run, limits: Mapping[str, Any], now: int, actor: str) -> Step:
    """The commit that has a failed run start again exactly what failed (language 3.3); `limits` raise those of its
    config. Raises Conflict or Invalid."""
    if run.status is not RunStatus.FAILED:
        raise Conflict(f"the run is {run.status}; only a failed run can be tried again", "run.not_failed")
    require_begun(run)
    check_limits(limits)
    run.limits, before = {**run.limits, **limits}, run.limits
    freed = _freed(run)
    run.limits = before
    commit = Commit(
        ref=next_ref(run), kind=Kind.RETRY, at=now, branch=run.branch, parent=run.head, opened=freed,
        joined=_joined(freed), absorbed=_absorbed(run, freed), limits=dict(limits) or None, actor=actor,
        epoch=run.epoch,
        status=RunStatus.INTERRUPTED if not freed and only_waits(run) and not asks_anew(run) else RunStatus.RUNNING,
    )  # fmt: skip
    return Step(commit)


# ---- what is activated anew


def _anew(run: Run, kind: Kind, writes: Updates, now: int, actor: str, reuse: Reuse | None = None) -> Commit:
    """A commit that activates all open work of a run again, and is a cause of it."""
    ref = next_ref(run)
    edit_id = f"{run.id}.{seq_of(ref)}"
    again, calls, nests = _reopened(run, ref, edit_id)
    freed = _freed(run, ref, edit_id)
    return Commit(
        ref=ref, kind=kind, at=now, branch=run.branch, parent=run.head, writes=writes,
        closed=tuple(run.tasks), opened=(*again, *freed), joined=_joined(freed),
        absorbed=_absorbed(run, freed),
        calls=calls, frames=nests, actor=actor, epoch=run.epoch, reuse=reuse,
    )  # fmt: skip


def _freed(run: Run, ref: Ref | None = None, edit_id: str = "") -> tuple[Task, ...]:
    """The tasks of waves that a limit held back and that the limits let through now; with `ref`, caused by it too."""
    freed: list[Task] = []
    count = run.task_count if ref is None else len(run.tasks)
    for wave, arrivals in held_back(run):
        task = activate(run, wave, arrivals, Entry(ref or next_ref(run), 0, (0, 0, 0), {}))
        if task.level <= run.max_steps and count + len(freed) < run.max_tasks:
            if ref is None:
                freed.append(task)
                continue
            entries = run.frames.of(task).history.entries
            names = [entries[one].task_id for one in task.causes if one in entries]
            name = task_id_of(run, wave, (*names, edit_id), task.edges, None)
            freed.append(replace(named(task, name), causes=(*task.causes, ref)))
    return tuple(freed)


def _joined(freed: Iterable[Task]) -> tuple[Wave, ...]:
    """The waves whose arrivals these tasks took with them."""
    return tuple(task.wave for task in freed if not task.place)


def _absorbed(run: Run, freed: Iterable[Task]) -> tuple[Wave, ...]:
    """Those of them that take no more."""
    return tuple(task.wave for task in freed if not task.place and task.node in run.frames.of(task).graph.needed)


Calls = tuple[tuple[TaskId, Call], ...]
Nests = tuple[tuple[TaskId, Nested], ...]


def _reopened(run: Run, ref: Ref, edit_id: str) -> tuple[tuple[Task, ...], Calls, Nests]:
    """The open tasks under new ids, sends before their items, with the sends and the frames that go on."""
    ids: dict[TaskId, TaskId] = {}
    again: list[Task] = []
    tasks = sorted(run.tasks.values(), key=lambda task: task.call is not None)
    for task in tasks:
        entries = run.frames.of(task).history.entries
        causes = [entries[cause].task_id for cause in task.causes if cause in entries]
        name = named(task, task_id_of(run, task.wave, (*causes, edit_id), task.ways, task.index))
        ids[task.id] = name.id
        call = ids[task.call] if task.call is not None else None
        again.append(replace(name, causes=(*task.causes, ref), call=call))
    calls = tuple((ids[call], found.frozen()) for call, found in run.calls.items())
    return tuple(again), calls, tuple((ids[task], run.frames[name].frozen()) for task, name in run.frames.nests.items())
