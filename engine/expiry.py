"""Expiry: how a run goes on when nobody has answered an interrupt in time (language 2.2)."""

from __future__ import annotations

from engine.commits import Result, Step, finish
from engine.errors import NodeFailure
from engine.failure import error_of, fail
from engine.graph import EXPIRED_HANDLE, Graph
from engine.missing import MISSING
from engine.model import InterruptOpened
from engine.run import Run
from engine.values import replace


def expire(run: Run, opened: InterruptOpened, now: int) -> Step:
    """The commit of an interrupt whose time is up: by its node's edge for that, else with the value for it, else a
    failure of the node."""
    task = run.tasks[opened.task_id]
    try:
        step = finish(run, task, outcome(run.frames.of(task).graph, opened), now)
    except NodeFailure as failure:
        step = fail(run, task, error_of(failure, task), now)
    return replace(step, commit=replace(step.commit, resolved=(opened.id,)))


def outcome(graph: Graph, opened: InterruptOpened) -> Result:
    """How a task ends whose interrupt has expired. Raises NodeFailure."""
    spec = graph.nodes[opened.node].spec
    if graph.topology.edges_from(opened.node, EXPIRED_HANDLE):
        return Result(handles=(EXPIRED_HANDLE,), handle=EXPIRED_HANDLE)
    if opened.kind == "node" and spec.on_expire is not MISSING:
        return Result(updates=spec.output.updates(spec.on_expire), answer={"output": spec.on_expire})
    raise NodeFailure("interrupt.expired", f"nobody answered '{opened.node}' in time")
