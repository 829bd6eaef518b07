"""Diagrams: every node and edge in them, and nothing that a name or label can break."""

from __future__ import annotations

import re

import pytest

from engine.mermaid import escaped, mermaid
from tests.builders import chain, document, graph_of, route, task, writes


def drawn(nodes, edges, **more) -> list[str]:
    return [line.strip() for line in mermaid(graph_of(document(nodes, edges, **more))).splitlines()]


def test_start_and_end_are_drawn():
    assert drawn({}, [("__start__", "__end__")]) == [
        "flowchart TD",
        'first(["start"])',
        'last(["end"])',
        "first --> last",
    ]


def test_each_type_has_a_shape():
    nodes = {
        "t": task(), "r": route("x"), "w": writes(n=1), "i": {"type": "interrupt"},
        "s": {"type": "send", "items_key": "items", "target_node": "t"},
    }  # fmt: skip

    assert {'n0["t"]', 'n1{"r"}', 'n2("w")', 'n3{{"i"}}', 'n4[["s"]]'} <= set(drawn(nodes, []))


def test_a_label_stands_for_the_name():
    assert 'n0["Write it"]' in drawn({"a": task(label="Write it")}, chain("a"))
    assert 'n0["a"]' in drawn({"a": task(label=" ")}, chain("a"))


def test_handles_stand_on_their_edges():
    lines = drawn({"r": route("again"), "z": task()}, [("__start__", "r"), ("r:again", "r"), ("r:out", "z")])

    assert {'n0 -->|"again"| n0', 'n0 -->|"out"| n1'} <= set(lines)


def test_error_edges_are_red():
    lines = drawn({"a": task(), "h": task()}, [*chain("a"), ("a:error", "h"), ("h", "__end__")])

    assert 'n0 -->|"error"| n1' in lines
    assert lines[-1] == "linkStyle 2 stroke:red"


def test_what_a_send_runs_is_dashed():
    sends = {"type": "send", "items_key": "items"}
    lines = drawn({"s": sends, "w": task()}, chain("s"), defaults={"send": {"targets": ["w"]}})

    assert 'n0 -.->|"each item"| n1' in lines


@pytest.mark.parametrize(
    "text",
    [
        'a"b',
        "a]b",
        "a}b{",
        "a\nb",
        "end",
        "`x`",
        "%%{init: {}}%%",
        "<b>",
        "a|b",
        "#35;",
        "ünï 世界",
        "\x00",
        "style a:b#c;",
    ],
)
def test_no_label_breaks_the_drawing(text):
    lines = drawn({"a": task(label=text)}, chain("a"))

    assert len(lines) == len(drawn({"a": task()}, chain("a")))
    inside = re.fullmatch(r'n0\["(.+)"\]', lines[2])
    assert inside
    assert not re.search(r'["`|{}\[\]%:\\]', inside[1])


def test_where_answers_may_lead_is_drawn_dashed():
    lines = drawn({"a": task(goto=["b"]), "b": task()}, [*chain("a"), ("b", "__end__")])

    assert 'n0 -.->|"goto"| n1' in "\n".join(lines)


def test_characters_are_escaped_by_their_code():
    assert escaped('say "x" #1') == "say #34;x#34; #35;1"
    assert escaped("a\nb") == "a<br/>b"
    assert escaped("ü世") == "ü世"


def test_a_long_label_is_cut():
    assert len(escaped("x" * 500)) < 100


def test_a_blank_handle_can_be_drawn():
    assert escaped("") == "#160;"
