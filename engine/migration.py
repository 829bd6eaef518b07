"""A run on another version of its workflow: what of it has a place there, and what is dropped (language 3.4).

Of the state, the keys stay that both versions define alike. A key that is defined otherwise begins anew, and its value
is written to it by the commit that changes the version, like an edit; what cannot hold it refuses the change. Of the
work, what stands at nodes and edges that are gone is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.address import apart_place
from engine.commits import next_ref
from engine.frontier import Frontier, OpenCall
from engine.gates import stops_of
from engine.graph import Graph, Node, deep_merge
from engine.joins import recount
from engine.model import DEFERRED, ERA, GOTO, Arrival, Task, TaskId, Wave, seq_of
from engine.render import address_of
from engine.run import Run
from engine.values import replace
from reducers._overwrite import is_overwrite

NOTES = frozenset({"label", "position", "ui", "metadata"})
"""The fields of a node that say nothing of what it does."""
NAMES_OF_GRAPHS = frozenset({"definition", "workflow", "subgraph"})
NOT_DONE = frozenset({"name", "description", "tags", "metadata", "environment", "namespace", "origin_id", "subgraphs"})
"""The fields of a document that say nothing of what its graph does, or are looked at by its nodes."""
FANS_OUT = ("type", "items_key", "target_node", "targets")
"""The fields of a send that say what its items are, and where they go."""
UNSAID = frozenset({"description", "title"})
"""What the definition of a key may say without saying what it is."""


def kept_keys(old: Graph, new: Graph) -> frozenset[str]:
    """The state keys that two versions define alike."""
    return frozenset(name for name in old.state.keys() & new.state.keys() if _said(old, name) == _said(new, name))


def _said(graph: Graph, name: str) -> dict[str, Any]:
    return {field: value for field, value in graph.state[name].schema.items() if field not in UNSAID}


def adopt(run: Run, graph: Graph) -> None:
    """Have a run know another version: its keys, its nodes, its config. What is open stays as it is."""
    run.history.adopt(graph, kept_keys(run.graph, graph))
    run.graph, run.config = graph, deep_merge(graph.config, run.overrides)
    run.stops = stops_of(graph, *run.breakpoints)
    root = run.frames.root
    root.graph, root.config, root.stops = run.graph, run.config, run.stops


def carried(run: Run, graph: Graph) -> dict[str, Any]:
    """The updates that give the keys which a version defines otherwise the values that they have in a run."""
    kept, shown = kept_keys(run.graph, graph), run.history.lasting()
    changed = [name for name in graph.state if name in run.graph.state and name not in kept and name in shown]
    return {name: {"__overwrite": True, "value": shown[name]} for name in changed if not graph.state[name].ephemeral}


def laid_over(carry: Mapping[str, Any], updates: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The values that are carried over, but for those that are overwritten anyway, then the updates."""
    kept = [write for write in carry.items() if not is_overwrite(updates.get(write[0]))]
    return [*kept, *updates.items()]


def migrate(run: Run, graph: Graph) -> tuple[str, ...]:
    """Have a run go on with another version; returns the addresses of what is dropped. Subgraphs in progress go
    on where their node is the same, and begin anew where it is not."""
    old, front = run.graph, run.frontier
    seats = _Seats(run, graph)
    whole = kept_keys(old, graph) == old.state.keys()
    calls = {call: found for call, found in front.calls.items() if whole and seats.keeps(front.tasks[call])}
    after, dropped = Frontier(blockers=None), list[str]()
    for task in sorted(front.tasks.values(), key=lambda task: task.call is not None):
        if task.node not in graph.nodes:
            dropped.append(address_of(task))
        elif task.call is None:
            after.add(seats.task(task))
        elif task.call in calls:  # else its send begins anew
            call = after.tasks[task.call]
            after.add(replace(task, wave=replace(call.wave, node=task.node), place=call.place))
    after.calls = {call: OpenCall(found.fanout, found.size, dict(found.done)) for call, found in calls.items()}
    late = {node for node, some in front.deferred.items() if any(one.cause not in run.history.entries for one in some)}
    for one in front.waiting():
        if seats.has(one):
            after.wait(seats.arrival(one, late=one.place == DEFERRED and one.wave.node in late))
        else:
            dropped.append(address_of(Task(id=TaskId(""), wave=one.wave, causes=(), level=0)))
    reached = front.absorbed & recount(old, front).keys()  # others are kept for as long as nobody counts
    after.absorbed = {seats.wave(wave) for wave in reached if wave.node in graph.nodes}
    after.absorbed &= recount(graph, after).keys()
    run.frames.restart(
        after, {task for task in run.frames.nests if task in after.tasks and seats.keeps(front.tasks[task])}
    )
    adopt(run, graph)
    return tuple(dict.fromkeys(dropped))


def late_on(run: Run, graph: Graph) -> tuple[Arrival, ...]:
    """What waits at deferred nodes that no edge leads to, as it stands in another version: these run in any case."""
    seats = _Seats(run, graph)
    waiting = [one for some in run.frontier.deferred.values() for one in some if one.edge == GOTO]
    return tuple(seats.arrival(one) for one in waiting if one.wave.node in graph.nodes)


class _Seats:
    """Where things of one version are in another."""

    def __init__(self, run: Run, new: Graph) -> None:
        old = run.graph
        self.run, self.old, self.new = run, old, new
        places = _ends(new)
        ends = ((place, places.get(one)) for one, place in _ends(old).items())
        shared = [node for node in new.nodes if node in old.nodes]
        same = all(_heads(old, node) == _heads(new, node) for node in shared)
        same &= _ends(old) == _ends(new) and old.deferred & new.nodes.keys() == new.deferred & old.nodes.keys()
        self.era = "" if same else f"{ERA}{seq_of(next_ref(run))}"
        self.edges = {index: place for index, place in ends if place is not None}
        self.edges[GOTO] = GOTO

    def keeps(self, task: Task) -> bool:
        """Whether what the node of a task has begun goes on in both: a send with the same items for the same nodes, a
        subgraph that does the same."""
        one, other = (graph.nodes.get(task.node) for graph in (self.old, self.new))
        if one is None or other is None:
            return False
        does = [_does(self.old, one), _does(self.new, other)]
        if one.type == "send":
            does = [{name: found.get(name) for name in FANS_OUT} for found in does]
        return does[0] == does[1]

    def task(self, task: Task) -> Task:
        """A task of a node that is there, with what it arrived over as far as that is there. In a new era it stands
        apart: over new edges, its wave may be activated once more."""
        edges = tuple(self.edges[edge] for edge in task.edges if edge in self.edges)
        place = task.place or self.era
        place += self._gone(task.wave) if place.startswith(ERA) else ""
        return replace(task, wave=self.wave(task.wave), edges=edges, place=place)

    def _gone(self, wave: Wave) -> str:
        """The rounds of loops that are gone, which had told tasks apart."""
        left = _heads(self.new, wave.node)
        gone = [
            number for head, number in zip(_heads(self.old, wave.node), wave.rounds, strict=True) if head not in left
        ]
        return "".join(f".{number}" for number in gone) if any(gone) else ""

    def has(self, arrival: Arrival) -> bool:
        """Whether the edge and the node of an arrival are there."""
        return arrival.edge in self.edges and arrival.wave.node in self.new.nodes

    def arrival(self, arrival: Arrival, *, late: bool = False) -> Arrival:
        """An arrival in its place; one that is `late` waits for the end of all else in any case, with all others at its
        node: of one of them nothing is known any more of what led to it alone."""
        edge = self.edges[arrival.edge]
        place = arrival.place if arrival.edge == GOTO or late else self._place(arrival, edge)
        return replace(arrival, edge=edge, wave=self.wave(arrival.wave), place=place)

    def _place(self, arrival: Arrival, edge: int) -> str:
        """Where an arrival waits: where its node waits for all else, or for all that can come, or for nothing."""
        node = arrival.wave.node
        if node in self.new.deferred:
            return DEFERRED
        if node not in self.new.apart:
            return ""
        stood = arrival.place not in ("", DEFERRED)
        return arrival.place if stood else apart_place(self.run.history.entries[arrival.cause], edge)

    def wave(self, wave: Wave) -> Wave:
        """Rounds by the heads of their loops: those of loops that are gone are dropped, new ones begin at 0. Where
        edges are others, or nodes that no join has waited for, so that a wave could come that was there before, all of
        them are of an era of their own."""
        known = dict(zip(_heads(self.old, wave.node), wave.rounds, strict=True))
        rounds = tuple(known.get(head, 0) for head in _heads(self.new, wave.node))
        return replace(wave, rounds=rounds, generation=wave.generation + self.era)


def _does(graph: Graph, node: Node) -> dict[str, Any]:
    """What a node says but for notes; of a subgraph also what the graph says that it runs, wherever that stands."""
    said = {name: value for name, value in graph.document["nodes"][node.name].items() if name not in NOTES}
    if (child := getattr(node.spec, "child", None)) is not None:
        said = {name: value for name, value in said.items() if name not in NAMES_OF_GRAPHS}
        around = {name: value for name, value in child.document.items() if name not in NOT_DONE}
        said["definition"] = {**around, "nodes": [(name, _does(child, inner)) for name, inner in child.nodes.items()]}
    return said


def _ends(graph: Graph) -> dict[tuple[str, str | None, str], int]:
    """The indexes of the edges by what they lead from and to."""
    return {(edge.source, edge.handle, edge.target): edge.index for edge in graph.edges}


def _heads(graph: Graph, node: str) -> list[str]:
    shape = graph.topology
    return [shape.names[shape.loops[loop].head] for loop in shape.loops_of[shape.number[node]]]
