"""A graph as Mermaid text, with names and labels that are safe whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator

from engine.checks.reading import fields_of
from engine.graph import ERROR_HANDLE, Edge, Graph, Node
from engine.model import END, START
from engine.plugins import node_types

BOX = ("[", "]")
ROUND = ("([", "])")
PLAIN = frozenset(" _-.,")
LONGEST = 80
NOTHING = "\N{NO-BREAK SPACE}"


def mermaid(graph: Graph) -> str:
    """A flowchart: nodes in the shape of their type, handles on edges, error edges in red; dashed where sends and
    answers lead."""
    ids = {name: f"n{place}" for place, name in enumerate(graph.nodes)} | {START: "first", END: "last"}
    lines = ["flowchart TD", *_nodes(graph, ids)]
    edges = [*_edges(graph, ids), *_sends(graph, ids), *_gotos(graph, ids)]
    lines += [f"    {line}" for line in edges]
    if failing := [str(place) for place, edge in enumerate(graph.edges) if edge.handle == ERROR_HANDLE]:
        lines.append(f"    linkStyle {','.join(failing)} stroke:red")
    return "\n".join(lines) + "\n"


def _nodes(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    yield f'    {ids[START]}{ROUND[0]}"start"{ROUND[1]}'
    for node in graph.nodes.values():
        opening, closing = getattr(node_types()[node.type], "SHAPE", BOX)
        yield f'    {ids[node.name]}{opening}"{_label(graph, node)}"{closing}'
    yield f'    {ids[END]}{ROUND[0]}"end"{ROUND[1]}'


def _label(graph: Graph, node: Node) -> str:
    label = graph.document["nodes"][node.name].get("label") or ""
    return "<br/>".join(escaped(text) for text in (label if label.strip() else node.name, *_when(node)))


def _when(node: Node) -> Iterator[str]:
    """When the node runs, where that is not once for all that comes."""
    if node.join != "all":
        yield f"join {node.join}" if node.quorum is None else f"join {node.quorum}"
    if node.defer:
        yield "deferred"


def _edges(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    return (f"{ids[edge.source]} -->{_on(edge)} {ids[edge.target]}" for edge in graph.edges)


def _on(edge: Edge) -> str:
    return "" if edge.handle is None else f'|"{escaped(edge.handle)}"|'


def _sends(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    """The nodes that are run as calls: no edge leads there."""
    defaults = graph.document.get("defaults", {})
    for node in graph.nodes.values():
        targets = getattr(node_types()[node.type], "targets", None)
        fields = fields_of(graph.document["nodes"][node.name], defaults)
        for target, _ in targets(fields) if targets is not None else ():
            yield f'{ids[node.name]} -.->|"each item"| {ids[target]}'


def _gotos(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    """The nodes that answers may name."""
    for node in graph.nodes.values():
        for target in node.goto or ():
            yield f'{ids[node.name]} -.->|"goto"| {ids[target]}'


def escaped(text: str) -> str:
    """Text for a quoted label: everything but letters, digits and a few signs by its code point."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    lines = short.split("\n") if short.strip() else [NOTHING]
    return "<br/>".join("".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in line) for line in lines)
