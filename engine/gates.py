"""Gates: what a breakpoint holds back, in place of the task that it is before or of the arrivals that come after."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import Invalid
from engine.graph import Graph
from engine.model import Commit, Gate, Kind, Ref, Task, TaskId
from engine.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """The nodes of a run that have a breakpoint before or after them. `everywhere`: the run is to stop, as if each had
    one before it."""

    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    everywhere: bool = False
    inside: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    """Those of graphs inside it, before and after `node/inner node`: at whatever depth."""


NO_STOPS = Stops()
PATH = "/"
"""Stands between a node and one of the graph that it runs: `part/draft`."""


def stops_of(graph: Graph, before: Iterable[str] | None, after: Iterable[str] | None) -> Stops:
    """The breakpoints of a run: those of its workflow where it has none of its own (None). One at a node that a send
    runs is one at the send as well: items never stop by themselves."""
    return _stops(
        graph,
        graph.interrupt_before if before is None else before,
        graph.interrupt_after if after is None else after,
    )


def stops_inside(stops: Stops, node: str, child: Graph) -> Stops:
    """The breakpoints of a graph that a node runs: its own, and those that the run has there."""
    before, after = (_below(node, names) for names in stops.inside)
    found = _stops(child, [*child.interrupt_before, *before], [*child.interrupt_after, *after])
    return replace(found, everywhere=True) if stops.everywhere else found


def stops_in(root: Graph, stops: Stops, nodes: Iterable[str]) -> Stops:
    """The breakpoints of a graph in a run, whose own graph is `root`, and that runs it by these nodes, outermost
    first."""
    graph = root
    for node in nodes:
        graph = graph.nodes[node].spec.child
        stops = stops_inside(stops, node, graph)
    return stops


def check_stops(graph: Graph, names: Iterable[str]) -> None:
    """Refuse breakpoints of a run at nodes that its workflow, or a graph inside it, does not have. Raises Invalid."""
    for name in names:
        within, nodes = graph, name.split(PATH)
        for place, node in enumerate(nodes):
            child = getattr(within.nodes[node].spec, "child", None) if node in within.nodes else None
            if node not in within.nodes or (child is None and place + 1 < len(nodes)):
                known, of = ", ".join(within.nodes), f" in '{PATH.join(nodes[:place])}'" if place else ""
                what = f"there is no node '{name}' to stop at"
                raise Invalid(f"{what}; nodes{of}: {known}", "breakpoint.unknown_node")
            within = child or within


def _stops(graph: Graph, before: Iterable[str], after: Iterable[str]) -> Stops:
    given = (tuple(before), tuple(after))
    if not any(given):
        return NO_STOPS
    own = [_with_sends(graph, [name for name in names if PATH not in name]) for names in given]
    before_inside, after_inside = (tuple(name for name in names if PATH in name) for names in given)
    return Stops(before=own[0], after=own[1], inside=(before_inside, after_inside))


def _below(node: str, names: Iterable[str]) -> list[str]:
    """What stands after a node in names that begin with it."""
    return [name.removeprefix(node + PATH) for name in names if name.startswith(node + PATH)]


def _with_sends(graph: Graph, names: Iterable[str]) -> frozenset[str]:
    found = {name for name in names if name in graph.nodes}
    targets = {name: getattr(node.spec, "targets", ()) for name, node in graph.nodes.items()}
    return frozenset(found | {name for name, called in targets.items() if not found.isdisjoint(called)})


def held(stops: Stops, task: Task) -> Task:
    """The task, or the gate that stands for it where a breakpoint is before its node."""
    return _gate(task, Gate()) if stops.everywhere or task.node in stops.before else task


def gate_after(
    task: Task, ref: Ref, level: int, handles: tuple[str | None, ...], goto: tuple[str, ...] | None = None
) -> Task:
    """The gate after a task that ends by commit `ref`: it counts as work where that task stood, until it is passed."""
    done = Task(id=task.id, wave=task.wave, causes=(ref,), level=level, place=task.place)
    return _gate(done, Gate(handles=handles, goto=goto))


def gates_of(task: Task) -> tuple[Task, Task]:
    """The gates that breakpoints before and after a task's node put in its place."""
    return _gate(task, Gate()), _gate(task, Gate(handles=()))


def put_back(task: Task, seq: int) -> Task:
    """The gate that stands by commit `seq` for a task that was activated and has not begun. A task may be put back more
    than once."""
    return replace(task, id=TaskId(f"{task.id}.before-{seq}"), gate=Gate())


def _gate(task: Task, gate: Gate) -> Task:
    return replace(task, id=_gate_id(task.id, gate), gate=gate)


def _gate_id(task_id: TaskId, gate: Gate) -> TaskId:
    return TaskId(f"{task_id}.{gate.side}")


def named(task: Task, name: TaskId) -> Task:
    """The task under another id; a gate keeps saying what it is."""
    return replace(task, id=name if task.gate is None else _gate_id(name, task.gate))


def is_after(task: Task) -> bool:
    """Whether a task of the frontier is one that is done, held by a breakpoint after its node."""
    return task.gate is not None and task.gate.handles is not None


def passed(gate: Task) -> Task:
    """The task that a gate before its node has held back."""
    return replace(gate, id=TaskId(gate.id.rpartition(".")[0]), gate=None)


def counted(commit: Commit) -> int:
    """How many tasks a commit adds to those that `max_tasks` counts; one that is held back has been counted."""
    passes = commit.kind is Kind.RESUME and commit.task is not None and _is_before(commit.task)
    if not commit.opened or commit.puts_back or passes:
        return 0
    first = commit.opened[0]
    return len(commit.opened) if first.gate is None or _is_before(first) else 0


def _is_before(task: Task) -> bool:
    return task.gate is not None and task.gate.handles is None
