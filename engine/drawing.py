"""What every drawing of a graph shows, whatever language it is written in."""

from __future__ import annotations

from collections.abc import Iterator

from engine.checks.reading import fields_of
from engine.graph import Graph, Node
from engine.plugins import node_types


def texts_of(graph: Graph, node: Node) -> Iterator[str]:
    """What a node says: its label or its name, and when it runs, where that is not once for all that comes."""
    label = graph.document["nodes"][node.name].get("label") or ""
    yield label if label.strip() else node.name
    if node.join != "all":
        yield f"join {node.join if node.quorum is None else node.quorum}"
    if node.defer:
        yield "deferred"


def beside_edges(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """(from, to, what leads there) beside the edges: nodes that are run as calls, and nodes that answers may name."""
    defaults = graph.document.get("defaults", {})
    for node in graph.nodes.values():
        targets = getattr(node_types()[node.type], "targets", None)
        fields = fields_of(graph.document["nodes"][node.name], defaults)
        for target, _ in targets(fields) if targets is not None else ():
            yield node.name, target, "each item"
    for node in graph.nodes.values():
        for target in node.goto or ():
            yield node.name, target, "goto"
