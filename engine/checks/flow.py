"""Whether every node can run and the end can be reached, and whether cycles can end and have one way in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.checks.draft import Draft
from engine.checks.problem import Findings, listed, shown
from engine.graph import Edge
from engine.model import END, START
from engine.topology import NONE, Loop, Topology, bits
from engine.values import dataclass

MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Plain:
    """The nodes of a document with some of its edges."""

    nodes: Mapping[str, Any]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What edges lead to, as bit sets over node numbers.

    `running` from the start; `meant` from there, and from where an edge leads that is wrong itself: what only follows
    from that is not said again; `met` from a call too.
    """

    shape: Topology
    running: int
    meant: int
    met: int


def trace(draft: Draft) -> Flow:
    """Follow the edges of a document, and where answers may go."""
    shape = Topology(draft)
    last = [
        n for n, node in draft.nodes.items() if node.fields.get("defer") is True and not shape.entering[shape.number[n]]
    ]
    running = _reached(draft, shape, [START, *last])
    meant = running | _reached(draft, shape, [edge.target for edge in draft.wrong])
    return Flow(shape=shape, running=running, meant=meant, met=meant | _reached(draft, shape, draft.called))


def _reached(draft: Draft, shape: Topology, roots: Iterable[str]) -> int:
    """The nodes that edges, and answers by `goto`, lead to from some of them."""
    found, todo = 0, [shape.number[name] for name in roots if name in shape.number]
    while todo:
        node = todo.pop()
        if not found >> node & 1:
            found |= 1 << node
            todo += [shape.targets[edge] for edge in shape.leaving[node]]
            todo += [shape.number[name] for name in draft.gotos.get(shape.names[node], ())]
    return found


def check_flow(draft: Draft, flow: Flow, findings: Findings) -> None:
    """Reachability, cycles without an end, and cycles with two entries."""
    _check_nodes(draft, flow, findings)
    if not flow.meant >> flow.shape.number[END] & 1:
        findings.error(
            "end.unreachable",
            "/edges",
            f"no path of edges leads from `{START}` to `{END}`",
            hint=f'add an edge from the last node, such as ["{_last(flow)}", "{END}"]',
        )
    _check_cycles(draft, flow, findings)
    _check_entries(flow, findings)


def _last(flow: Flow) -> str:
    ends = [n for n in bits(flow.running) if not flow.shape.leaving[n]]
    return flow.shape.names[ends[-1]] if ends else START


def _check_nodes(draft: Draft, flow: Flow, findings: Findings) -> None:
    leaving = {edge.source for edge in draft.wrong}
    for name in draft.nodes:
        number = flow.shape.number[name]
        if flow.met >> number & 1:
            continue
        if flow.shape.leaving[number] or flow.shape.entering[number] or name in leaving:
            findings.error(
                "node.unreachable",
                draft.nodes[name].path,
                f"no path of edges leads from `{START}` to `{shown(name)}`",
                node=name,
                hint="add an edge to it, or remove it",
            )
        else:
            findings.warning(
                "node.unused",
                draft.nodes[name].path,
                f"`{shown(name)}` has no edge and is never run",
                node=name,
                hint="connect it, or remove it",
            )


def _check_cycles(draft: Draft, flow: Flow, findings: Findings) -> None:
    """A cycle of plain edges alone never ends: nothing in it decides."""
    if not flow.shape.loops:
        return
    plain = Topology(Plain(draft.nodes, tuple(edge for edge in draft.edges if edge.handle is None)))
    for loop in plain.loops:
        if not _is_inside(plain, loop):
            names = [plain.names[node] for node in sorted(bits(loop.cycle), key=plain.walk.place.__getitem__)]
            closing = min(plain.edges[edge].index for edge in loop.back_edges)
            findings.error(
                "cycle.unbounded",
                f"/edges/{closing}",
                f"the cycle {cycle_of(names)} never ends: it has no route and no error edge",
                node=names[0],
                hint="let a route decide whether to go round again",
            )


def _is_inside(shape: Topology, loop: Loop) -> bool:
    """Whether the cycle is a part of a larger one."""
    around = loop.parent
    while around != NONE and not shape.loops[around].cycle >> loop.head & 1:
        around = shape.loops[around].parent
    return around != NONE


def cycle_of(names: Sequence[str]) -> str:
    """The nodes of a cycle in a row, back to the first one."""
    row = [f"`{shown(name)}`" for name in (names if len(names) <= MOST_NAMES else names[:MOST_NAMES])]
    return " → ".join((*row, *(("…",) if len(names) > MOST_NAMES else ()), row[0]))


def _check_entries(flow: Flow, findings: Findings) -> None:
    """A cycle that can be entered beside its head: its rounds do not begin where one expects."""
    shape = flow.shape
    for loop in shape.loops:
        sides = [edge for edge in loop.side_entries if flow.running >> shape.sources[edge] & 1]
        if not sides:
            continue
        head = shape.names[loop.head]
        others = dict.fromkeys(shape.names[shape.targets[edge]] for edge in sides)
        findings.warning(
            "graph.two_entries",
            f"/edges/{shape.edges[sides[0]].index}",
            f"the cycle of `{shown(head)}` can also be entered at {listed(f'`{name}`' for name in others)};"
            f" its rounds are counted at its head, `{shown(head)}`",
            node=head,
            hint=f"lead all edges from outside to `{shown(head)}`",
        )
