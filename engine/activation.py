"""Activation: what a task that ends sends along its edges, and the tasks that its arrivals become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.address import task_id_of
from engine.gates import held
from engine.history import Entry
from engine.joins import Settled, recount, settle
from engine.model import END, Arrival, ErrorInfo, Ref, Task, Wave
from engine.run import Run


@dataclass(frozen=True, slots=True)
class Activated:
    """The frontier delta of a task that ends. `blockers` None: a limit of the run holds back a wave that fired."""

    opened: tuple[Task, ...]
    waiting: tuple[Arrival, ...]
    joined: tuple[Wave, ...]
    blockers: dict[Wave, int] | None


def follow(run: Run, task: Task, coming: Entry, handles: Sequence[str | None], *, leaves: bool = True) -> Activated:
    """What becomes active when `task` ends by its commit `coming` and leaves by these handles."""
    arrivals = arrivals_of(run, task, coming.ref, handles)
    settled = settle(run.graph.topology, run.frontier, task if leaves else None, arrivals)
    opened, waiting, joined = activated(run, settled, coming)
    return Activated(opened, waiting, joined, settled.blockers if len(opened) == len(settled.fired) else None)


def arrivals_of(run: Run, task: Task, cause: Ref, handles: Sequence[str | None]) -> list[Arrival]:
    shape, wave = run.graph.topology, task.wave
    edges = [edge for handle in handles for edge in shape.edges_from(task.node, handle)]
    if len(handles) > 1:
        edges.sort(key=lambda edge: edge.index)
    return [
        Arrival(
            edge.index,
            cause,
            Wave(edge.target, shape.rounds_over(edge.index, wave.rounds), wave.frame, wave.generation),
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
        if task.level > run.max_steps or run.task_count + len(opened) >= run.max_tasks:
            waiting += [arrival for arrival in arrivals if arrival.cause == coming.ref]
            continue
        opened.append(task)
        if wave in run.frontier.waves:
            joined.append(wave)
    return tuple(opened), tuple(waiting), tuple(joined)


def activate(run: Run, wave: Wave, arrivals: Sequence[Arrival], coming: Entry) -> Task:
    """The task of a wave that fires: its causes in canonical order, with the edges in the order of their causes."""
    causes = run.history.in_order((arrival.cause for arrival in arrivals), coming)
    place = {entry.ref: number for number, entry in enumerate(causes)}
    edges = tuple(a.edge for a in sorted(arrivals, key=lambda a: (place[a.cause], a.edge)))
    task = Task(
        id=task_id_of(run, wave, (entry.task_id for entry in causes), edges, None),
        wave=wave,
        causes=tuple(entry.ref for entry in causes),
        level=1 + max(entry.order[0] for entry in causes),
        edges=edges,
    )
    return held(run.stops, task)


def held_back(run: Run) -> list[Wave]:
    """The waves that nothing can reach any more and that wait all the same: a limit of the run holds them back."""
    if run.frontier.blockers is not None or not run.frontier.waves:
        return []
    return [wave for wave, count in recount(run.graph.topology, run.frontier).items() if count == 0]


COST_TOLERANCE = 1 + 1e-9
"""Costs are sums of floating numbers: one that is a limit to the last digit but few has not crossed it."""


def limit_error(run: Run) -> ErrorInfo | None:
    """The limit that the run has crossed, or that holds back a wave of it."""
    if run.max_cost is not None and run.usage.cost > run.max_cost * COST_TOLERANCE:
        message = f"the run has cost {run.usage.cost:g}, more than {run.max_cost:g}; raise config.max_cost"
        return ErrorInfo(code="run.cost_limit", message=message, retryable=False)
    if not (held := held_back(run)):
        return None
    node = held[-1].node
    if run.task_count >= run.max_tasks:
        message = f"the run would start more than {run.max_tasks} tasks; raise config.max_tasks"
        return ErrorInfo(code="run.task_limit", message=message, node=node, retryable=False)
    message = f"'{node}' would be step {run.max_steps + 1}; raise config.max_steps, or look for a loop without end"
    return ErrorInfo(code="run.step_limit", message=message, node=node, retryable=False)
