"""Drawings for Graphviz: every node and edge in them, graphs inside as clusters, and nothing that a name can break."""

from __future__ import annotations

import re

import pytest

from engine.dot import MOST_INSIDE, dot, escaped
from tests.builders import chain, document, graph_of, route, task, writes

STRING = re.compile(r'"(?:[^"\\]|\\n)*"')


def drawn(nodes, edges, **more) -> list[str]:
    return [line.strip() for line in dot(graph_of(document(nodes, edges, **more))).splitlines()]


def inside(**nodes):
    return document(nodes or {"x": writes(n=1)}, chain(*(nodes or "x")))


def test_start_and_end_are_drawn():
    assert drawn({}, [("__start__", "__end__")]) == [
        "digraph workflow {",
        "compound=true;",
        "node [shape=box];",
        'nfirst [label="start", shape=oval];',
        'nlast [label="end", shape=oval];',
        "nfirst -> nlast;",
        "}",
    ]


def test_each_type_has_a_shape():
    nodes = {
        "t": task(), "r": route("x"), "w": writes(n=1), "i": {"type": "interrupt"}, "a": {"type": "agent"},
        "z": {"type": "wait", "seconds": 1}, "s": {"type": "send", "items_key": "items", "target_node": "t"},
    }  # fmt: skip
    lines = drawn(nodes, [])
    assert len({line.partition("shape=")[2] for line in lines if re.match(r"n\d .*shape=", line)}) == 7


def test_handles_stand_on_their_edges_and_failures_are_red():
    edges = [("__start__", "r"), ("r:out", "z"), ("z:error", "h"), ("z", "__end__"), ("h", "__end__")]
    lines = drawn({"r": route("out"), "z": task(), "h": task()}, edges)
    assert {'n0 -> n1 [label="out"];', 'n1 -> n2 [label="error", color=red];', "n1 -> nlast;"} <= set(lines)


def test_joins_and_deferred_nodes_say_so():
    lines = drawn({"a": task(join="any", defer=True), "b": task(join={"quorum": 1}, label="B")}, chain("a", "b"))
    assert 'n0 [label="a\\njoin any\\ndeferred", shape=box];' in lines
    assert 'n1 [label="B\\njoin 1", shape=box];' in lines


def test_sends_and_answers_that_lead_somewhere_are_dashed():
    sends = {"type": "send", "items_key": "items", "target_node": "w"}
    lines = drawn({"s": sends, "w": task(), "g": task(goto=["s"])}, chain("s", "g"))
    assert {'n0 -> n1 [label="each item", style=dashed];', 'n2 -> n0 [label="goto", style=dashed];'} <= set(lines)


def test_graphs_inside_are_clusters_in_clusters():
    middle = inside(deep={"type": "subgraph", "definition": inside()})
    lines = drawn({"a": {"type": "subgraph", "definition": middle}}, chain("a"))
    assert lines.count("}") == 3
    assert {"subgraph cluster_n0 {", "subgraph cluster_n0_0 {", 'n0_0_0 [label="x", shape=box, style=rounded];'} <= set(
        lines
    )
    assert {"n0 -> n0_first [style=dotted, lhead=cluster_n0];", "n0_0_first -> n0_0_0;"} <= set(lines)


def test_many_graphs_inside_do_not_make_the_drawing_endless():
    large = inside(**{f"x{n}": writes(n=1) for n in range(200)})
    nodes = {f"a{n}": {"type": "subgraph", "subgraph": "large"} for n in range(20)}
    lines = drawn(nodes, chain(*nodes), subgraphs={"large": large})
    assert sum("cluster" in line and "{" in line for line in lines) == 2
    assert len(lines) < 4 * MOST_INSIDE


@pytest.mark.parametrize(
    "text",
    [
        'a"b', "a\\", "\\N", "a\nb", "a]b", "{x}", "a|b", "<b>", "&amp;", "&", "#1", "a;b", "-> n1", "", "ünï 世界",
        "\x00", "\r\n", "x" * 500, "/*", "//", "​", "‮",
    ],
)  # fmt: skip
def test_no_label_breaks_the_drawing(text):
    lines = drawn({"a": task(label=text)}, chain("a"))
    plain = drawn({"a": task()}, chain("a"))
    assert [STRING.sub("", line) for line in lines] == [STRING.sub("", line) for line in plain]
    label = re.search(r'label="(.*)", shape', lines[4])
    assert label
    assert all(ord(c) >= 32 for c in label[1])
    assert re.fullmatch(r"(?:[^\"\\&<>|{}]|\\n|&#\d+;)*", label[1])


def test_characters_are_escaped_by_their_code():
    assert escaped('say "x" & <y>') == "say &#34;x&#34; &#38; &#60;y&#62;"
    assert escaped("a\nb") == "a\\nb"
    assert escaped("ü世") == "ü世"
