"""A graph as Mermaid text, with names and labels that are safe whatever they hold."""

from __future__ import annotations

from collections.abc import Iterator

from engine.drawing import beside_edges, texts_of
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
    edges = [*_edges(graph, ids), *_beside(graph, ids)]
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
    return "<br/>".join(map(escaped, texts_of(graph, node)))


def _edges(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    return (f"{ids[edge.source]} -->{_on(edge)} {ids[edge.target]}" for edge in graph.edges)


def _on(edge: Edge) -> str:
    return "" if edge.handle is None else f'|"{escaped(edge.handle)}"|'


def _beside(graph: Graph, ids: dict[str, str]) -> Iterator[str]:
    for source, target, how in beside_edges(graph):
        yield f'{ids[source]} -.->|"{how}"| {ids[target]}'


def escaped(text: str) -> str:
    """Text for a quoted label: everything but letters, digits and a few signs by its code point."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    lines = short.split("\n") if short.strip() else [NOTHING]
    return "<br/>".join("".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in line) for line in lines)
