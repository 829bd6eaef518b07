"""Activation: what a task that ends sends along its edges, and the tasks that its arrivals become."""

from __future__ import annotations

from collections.abc import Sequence

from engine.address import place_of, task_id_of
from engine.deferred import is_last, next_deferred, put_off
from engine.fold import Entry
from engine.frame import Frame
from engine.frontier import Counts
from engine.gates import held
from engine.gotos import goto_arrivals
from engine.joins import Fired, Settled, free, recount, settle, up_to_enough
from engine.model import DEFERRED, END, GOTO, Arrival, ErrorInfo, Ref, Task, TaskId, Wave
from engine.run import Run
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Activated:
    """The frontier delta of a task that ends; `ended` are other tasks that end with it. `blockers` None: a limit of the
    run holds back a wave that fired."""

    opened: tuple[Task, ...]
    waiting: tuple[Arrival, ...]
    joined: tuple[Wave, ...]
    blockers: Counts
    absorbed: tuple[Wave, ...] = ()
    ended: tuple[TaskId, ...] = ()


def follow(
    run: Run,
    task: Task,
    coming: Entry,
    handles: Sequence[str | None],
    goto: Sequence[str] | None = None,
    *,
    leaves: bool = True,
    breaks: bool = False,
) -> Activated:
    """What becomes active when `task` ends by its commit `coming` and leaves by these handles, or for these nodes.
    Nothing that was put off begins once something has failed that ends its frame, or where this `breaks` it."""
    frame = run.frames.of(task)
    if goto is None:
        arrivals = arrivals_of(run, task, coming.ref, handles)
    else:
        arrivals = goto_arrivals(frame.graph.topology, frame.frontier, task, coming.ref, goto)
    arrivals, late = put_off(run, task, coming.ref, arrivals)
    settled = settle(frame.graph, frame.frontier, task if leaves else None, arrivals)
    opened, waiting, joined = activated(run, settled, coming)
    if len(opened) < len(settled.fired) and settled.absorbed:
        return _held_up(frame, arrivals, late)
    if not (opened or waiting) and frame.error is None and not breaks and is_last(run, task):
        last = next_deferred(run, frame, coming if coming.ref not in frame.history.entries else None, late)
        if last is not None and _within_limits(run, last, 0):
            return Activated(
                (held(frame.stops, last),),
                tuple(one for one in late if one.wave.node != last.node),
                joined,
                settled.blockers,
            )
    return Activated(
        opened, (*waiting, *late), (*joined, *settled.emptied),
        settled.blockers if len(opened) == len(settled.fired) else None, settled.absorbed, settled.ended,
    )  # fmt: skip


def _held_up(frame: Frame, arrivals: Sequence[Arrival], late: Sequence[Arrival]) -> Activated:
    """Beyond a limit of the run nothing is chosen: all that has come waits."""
    came = tuple(one for one in arrivals if one.wave not in frame.frontier.absorbed)
    return Activated((), (*came, *late), (), None)


def arrivals_of(run: Run, task: Task, cause: Ref, handles: Sequence[str | None]) -> list[Arrival]:
    graph, wave = run.frames.of(task).graph, task.wave
    shape = graph.topology
    edges = [edge for handle in handles for edge in shape.edges_from(task.node, handle)]
    if len(handles) > 1:
        edges.sort(key=lambda edge: edge.index)
    apart = graph.apart
    return [
        Arrival(
            edge.index,
            cause,
            Wave(edge.target, shape.rounds_over(edge.index, wave.rounds), wave.frame, wave.generation),
            place_of(task, edge.index) if edge.target in apart else "",
        )
        for edge in edges
        if edge.target != END
    ]


def activated(
    run: Run, settled: Settled, coming: Entry
) -> tuple[tuple[Task, ...], tuple[Arrival, ...], tuple[Wave, ...]]:
    """The tasks that fired waves become; a wave beyond a limit of the run waits instead."""
    opened: list[Task] = []
    waiting, joined = list(settled.waiting), []
    for wave, arrivals in settled.fired:
        task = activate(run, wave, arrivals, coming)
        if not _within_limits(run, task, len(opened)):
            waiting += [arrival for arrival in arrivals if arrival.cause == coming.ref]
            continue
        opened.append(task)
        if not task.place and wave in run.frames[wave.frame].frontier.waves:
            joined.append(wave)
    return tuple(opened), tuple(waiting), tuple(joined)


def _within_limits(run: Run, task: Task, opened: int) -> bool:
    return task.level <= run.max_steps and run.task_count + opened < run.max_tasks


def activate(run: Run, wave: Wave, arrivals: Sequence[Arrival], coming: Entry) -> Task:
    """The task of a wave that fires: its causes in canonical order, with the edges in the order of their causes."""
    frame = run.frames[wave.frame]
    if arrivals[0].place == DEFERRED and (last := next_deferred(run, frame, None)) is not None:
        return held(frame.stops, last)
    causes = frame.history.in_order((arrival.cause for arrival in arrivals), coming)
    found = arrivals
    if len(found) > 1:
        place = {entry.ref: number for number, entry in enumerate(causes)}
        found = sorted(found, key=lambda a: (place[a.cause], a.edge))
    edges = tuple([arrival.edge for arrival in found if arrival.edge != GOTO])
    task = Task(
        id=task_id_of(run, wave, (entry.task_id for entry in causes), edges, None),
        wave=wave,
        causes=tuple(entry.ref for entry in causes),
        level=1 + max(entry.order[0] for entry in causes),
        edges=edges,
        place=arrivals[0].place,
    )
    return held(frame.stops, task)


def held_back(run: Run) -> list[Fired]:
    """The waves that nothing can reach any more and that wait all the same, with what arrived, and the arrivals that
    wait for nothing: a limit of the run holds them back, unless its frame is broken."""
    return [fired for frame in run.frames.by_id.values() for fired in _held_back(run, frame)]


def _held_back(run: Run, frame: Frame) -> list[Fired]:
    front = frame.frontier
    found: list[Fired] = [(arrival.wave, (arrival,)) for arrival in front.held]
    if front.blockers is None and front.waves:
        waves = free(frame.graph, front, recount(frame.graph, front))
        found += [(wave, up_to_enough(frame.graph, wave, front.waves[wave])) for wave in waves]
    if front.deferred and frame.error is None and not (front.tasks or front.waves or front.held):
        last = next_deferred(run, frame, None)
        assert last is not None
        found.append((last.wave, tuple(front.deferred[last.node])))
    return found


COST_TOLERANCE = 1 + 1e-9
"""Costs are sums of floating numbers: one that is a limit to the last digit but few has not crossed it."""


def limit_error(run: Run) -> ErrorInfo | None:
    """The limit that the run has crossed, or that holds back a wave of it."""
    if run.max_cost is not None and run.usage.cost > run.max_cost * COST_TOLERANCE:
        message = f"the run has cost {run.usage.cost:g}, more than {run.max_cost:g}; raise config.max_cost"
        return ErrorInfo(code="run.cost_limit", message=message, retryable=False)
    if not (held := held_back(run)):
        return None
    node = held[-1][0].node
    if run.task_count + len(held) > run.max_tasks:
        message = f"the run would start more than {run.max_tasks} tasks; raise config.max_tasks"
        return ErrorInfo(code="run.task_limit", message=message, node=node, retryable=False)
    message = f"'{node}' would be step {run.max_steps + 1}; raise config.max_steps, or look for a loop without end"
    return ErrorInfo(code="run.step_limit", message=message, node=node, retryable=False)
