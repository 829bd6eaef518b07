"""A graph in the language of Graphviz, with the graphs in it as clusters; safe whatever names and labels hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.drawing import beside_edges, texts_of
from engine.graph import ERROR_HANDLE, Edge, Graph, Node
from engine.model import END, START
from engine.plugins import node_types

LONGEST = 80
MOST_INSIDE = 500
"""So many nodes of graphs inside are drawn; after that, the nodes that run them are boxes."""
REPLACED = "\N{REPLACEMENT CHARACTER}"
PLAIN = frozenset(" _-.,:")
BOX = "box"
SHAPES = {
    ("{", "}"): "diamond",
    ("[[", "]]"): "box3d",
    ("{{", "}}"): "hexagon",
    ("(", ")"): "box, style=rounded",
    ("([", "])"): "oval",
    ("[/", "/]"): "parallelogram",
    ("[\\", "\\]"): "component",
}
"""What is drawn for the brackets of a node type (`engine.nodes`)."""


def dot(graph: Graph) -> str:
    """A digraph: nodes in the shape of their type, handles on edges, error edges in red; dashed where sends and answers
    lead. What a subgraph node runs is drawn in a cluster behind it."""
    drawing = _Drawing()
    lines = ["digraph workflow {", "  compound=true;", "  node [shape=box];"]
    return "\n".join([*lines, *drawing.inside(graph, "n", "  "), "}"]) + "\n"


@dataclass(slots=True)
class _Drawing:
    """What has been drawn: how many nodes of graphs inside."""

    inner: int = 0

    def inside(self, graph: Graph, prefix: str, indent: str) -> Iterator[str]:
        """The lines of a graph; `prefix` begins the ids of its nodes."""
        ids = {name: f"{prefix}{place}" for place, name in enumerate(graph.nodes)}
        ids |= {START: f"{prefix}first", END: f"{prefix}last"}
        yield f'{indent}{ids[START]} [label="start", shape=oval];'
        for node in graph.nodes.values():
            yield f"{indent}{ids[node.name]} [{_label(graph, node)}, shape={_shape(node)}];"
        yield f'{indent}{ids[END]} [label="end", shape=oval];'
        for edge in graph.edges:
            yield f"{indent}{ids[edge.source]} -> {ids[edge.target]}{_on(edge)};"
        for source, target, how in beside_edges(graph):
            yield f'{indent}{ids[source]} -> {ids[target]} [label="{how}", style=dashed];'
        for node in graph.nodes.values():
            yield from self._cluster(node, ids[node.name], indent)

    def _cluster(self, node: Node, id: str, indent: str) -> Iterator[str]:
        """The graph that a node runs, and how it is come to."""
        child = getattr(node.spec, "child", None)
        if not isinstance(child, Graph) or self.inner + len(child.nodes) > MOST_INSIDE:
            return
        self.inner += len(child.nodes) + 1
        yield f"{indent}subgraph cluster_{id} {{"
        yield f'{indent}  label="{escaped(node.name)}";'
        yield from self.inside(child, f"{id}_", f"{indent}  ")
        yield f"{indent}}}"
        yield f"{indent}{id} -> {id}_first [style=dotted, lhead=cluster_{id}];"


def _label(graph: Graph, node: Node) -> str:
    return 'label="' + "\\n".join(map(escaped, texts_of(graph, node))) + '"'


def _shape(node: Node) -> str:
    return SHAPES.get(getattr(node_types()[node.type], "SHAPE", None) or ("", ""), BOX)


def _on(edge: Edge) -> str:
    if edge.handle is None:
        return ""
    colour = ", color=red" if edge.handle == ERROR_HANDLE else ""
    return f' [label="{escaped(edge.handle)}"{colour}]'


def escaped(text: str) -> str:
    """Text for a quoted label: all but letters, digits and a few signs by their code point, which Graphviz reads."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return "\\n".join("".join(map(_sign, line)) for line in short.split("\n"))


def _sign(c: str) -> str:
    if c.isalnum() or c in PLAIN:
        return c
    return f"&#{ord(c)};" if c.isprintable() else REPLACED
