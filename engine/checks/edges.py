"""The edges of a document: both forms, their ends and handles, and the nodes that routes, sends and answers lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.checks.draft import DraftNode
from engine.checks.problem import Findings, listed, shown
from engine.checks.reading import Ends, ends_of, names_of
from engine.graph import ERROR_HANDLE, Edge
from engine.model import END, START
from reducers._errors import described

SHORT = '["source", "target"]'
LONG = '{"source": {"node", "port"}, "target": {"node", "port"}}'


def read_edges(
    top: Mapping[str, Any], nodes: Mapping[str, DraftNode], findings: Findings
) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    """The edges that are right, and those that are not but say from where to where they lead."""
    found: dict[tuple[str, str | None, str], Edge] = {}
    wrong: list[Edge] = []
    for index, source in enumerate(top.get("edges", ())):
        if (ends := ends_of(source)) is None:
            message = f"expected an edge, {SHORT} or {LONG}, got {described(source)}"
            findings.error("document.type", f"/edges/{index}", message)
            continue
        edge = Edge(index=index, source=ends.source, target=ends.target, handle=ends.handle)
        good = _check_ends(ends, index, nodes, findings) and _check_handle(edge, nodes, findings)
        key = (edge.source, edge.handle, edge.target)
        if good and key in found:
            first = found[key].index
            message = f"{_named(edge)} is there already, as edge {first}"
            findings.error("edge.duplicate", f"/edges/{index}", message, node=edge.source, hint="remove one of them")
        elif good:
            found[key] = edge
        else:
            wrong.append(edge)
    return tuple(found.values()), tuple(wrong)


def _named(edge: Edge) -> str:
    handle = "" if edge.handle is None else f":{edge.handle}"
    return f"the edge from `{shown(edge.source + handle)}` to `{shown(edge.target)}`"


def _check_ends(ends: Ends, index: int, nodes: Mapping[str, DraftNode], findings: Findings) -> bool:
    good = True
    for name, side, place, other in ((ends.source, "from", 0, START), (ends.target, "to", 1, END)):
        if name in nodes or name == other:
            continue
        good = False
        what = "no edge leads" if name in (START, END) else "unknown node: the edge leads"
        findings.error(
            "edge.node",
            f"/edges/{index}/{place}" if ends.short else f"/edges/{index}/{'source' if place == 0 else 'target'}/node",
            f"{what} {side} `{shown(name)}`",
            hint=None if name in (START, END) else findings.nearest(name, (*nodes, other)),
        )
    return good


def _check_handle(edge: Edge, nodes: Mapping[str, DraftNode], findings: Findings) -> bool:
    """Whether the source can leave by that handle; values of routes are checked with the route."""
    if edge.handle is None or edge.source == START:
        if edge.handle is not None:
            message = f"`{START}` has no handle `{shown(edge.handle)}`"
            findings.error("edge.handle", f"/edges/{edge.index}", message)
        return edge.handle is None
    node = nodes[edge.source]
    if edge.handle == ERROR_HANDLE or node.module is None or hasattr(node.module, "handles"):
        return True
    exits = getattr(node.module, "EXITS", {})
    if edge.handle in exits and (exits[edge.handle] in node.fields or not node.whole):
        return True
    if edge.handle in exits:
        message = f"the handle `{edge.handle}` needs the field `{exits[edge.handle]}` of the node"
    else:
        message = f"a node of type `{node.type}` has no handle `{shown(edge.handle)}`"
    hint = f"handles: {listed([ERROR_HANDLE, *exits])}; without a handle the edge is taken when the node completes"
    findings.error("edge.handle", f"/edges/{edge.index}", message, node=edge.source, hint=hint)
    return False


def check_routes(nodes: Mapping[str, DraftNode], edges: Sequence[Edge], findings: Findings) -> None:
    """Nodes that choose: each value has an edge, and each edge a value, to where the node says that it leads."""
    leaving: dict[str, list[Edge]] = {}
    for edge in edges:
        leaving.setdefault(edge.source, []).append(edge)
    for name, node in nodes.items():
        if hasattr(node.module, "handles") and node.whole:
            _check_route(node, leaving.get(name, []), findings)


def _check_route(node: DraftNode, edges: Sequence[Edge], findings: Findings) -> None:
    values: dict[str, str] = {}
    for value, path in node.ask("handles"):
        values.setdefault(value, path)
    taken = {edge.handle for edge in edges}
    for value, path in values.items():
        if value == ERROR_HANDLE:
            message = f"`{ERROR_HANDLE}` is the handle for failures, and cannot be a value"
            findings.error("route.edge", node.at(path), message, node=node.name, hint="choose another word")
        elif value not in taken:
            message = f"the value `{shown(value)}` of `{shown(node.name)}` has no edge"
            hint = f'add the edge ["{node.name}:{value}", …]'
            findings.error("route.edge", node.at(path), message, node=node.name, hint=hint)
    for edge in edges:
        if edge.handle not in values and edge.handle != ERROR_HANDLE:
            _report_edge(node, edge, values, findings)
    _check_leads(node, edges, findings)


def _report_edge(node: DraftNode, edge: Edge, values: Mapping[str, str], findings: Findings) -> None:
    what = "without a value" if edge.handle is None else f"by the value `{shown(edge.handle)}`, which it never chooses"
    findings.error(
        "route.edge",
        f"/edges/{edge.index}",
        f"an edge leaves `{shown(node.name)}` {what}",
        node=node.name,
        hint=f"values: {listed(values)}" if values else None,
    )


def _check_leads(node: DraftNode, edges: Sequence[Edge], findings: Findings) -> None:
    for value, target, path in node.ask("leads"):
        mine = [edge for edge in edges if edge.handle == value]
        if mine and all(edge.target != target for edge in mine):
            findings.error(
                "route.edge",
                node.at(path),
                f"`{shown(node.name)}` says that `{shown(value)}` leads to `{shown(target)}`, "
                f"but its edge leads to `{shown(mine[0].target)}`",
                node=node.name,
            )


def check_calls(nodes: Mapping[str, DraftNode], findings: Findings) -> frozenset[str]:
    """The nodes that others run as calls; they have to exist and to be of a type that can be called."""
    called: set[str] = set()
    for node in nodes.values():
        for name, path in node.ask("targets"):
            if name not in nodes:
                message = f"unknown node: `{shown(node.name)}` sends to `{shown(name)}`"
                hint = findings.nearest(name, nodes)
                findings.error("send.target", node.at(path), message, node=node.name, hint=hint)
                continue
            called.add(name)
            _check_callable(node, nodes[name], path, findings)
    return frozenset(called)


def _check_callable(node: DraftNode, target: DraftNode, path: str, findings: Findings) -> None:
    kinds = getattr(node.module, "CALLABLE", None)
    if kinds is None or target.module is None:
        return
    if target.type not in kinds:
        findings.error(
            "send.target",
            node.at(path),
            f"`{shown(target.name)}` is of type `{target.type}`, which cannot be run for an item",
            node=node.name,
            hint=f"types that can: {listed(sorted(kinds))}",
        )


def check_gotos(nodes: Mapping[str, DraftNode], findings: Findings) -> dict[str, tuple[str, ...]]:
    """By node those that its answers may name by `goto`; they have to exist."""
    found: dict[str, tuple[str, ...]] = {}
    for node in nodes.values():
        value = node.fields.get("goto", ())
        found[node.name] = tuple(name for name in names_of(value) if name in nodes or name == END)
        for place, name in enumerate(names_of(value)):
            if name not in found[node.name]:
                message = f"unknown node: answers of `{shown(node.name)}` may go to `{shown(name)}`"
                path = node.at("/goto" if isinstance(value, str) else f"/goto/{place}")
                hint = findings.nearest(name, (*nodes, END))
                findings.error("goto.target", path, message, node=node.name, hint=hint)
    return found
