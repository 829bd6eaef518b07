"""NullBoiler: nearly our language; what differs is put in our words, what does not stays as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.importers.samples import malformed, paths, read

ROOT = Path(__file__).parents[3]
OURS = [*sorted((ROOT / "docs" / "examples").glob("*.json")), *sorted((ROOT / "workflows").glob("*.json"))]


def graph(nodes: dict[str, Any], *edges: Any, **more: Any) -> Any:
    return read("nullboiler", id="g", nodes=nodes, edges=[list(edge) for edge in edges], **more)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.stem)
def test_a_document_in_our_language_is_not_changed(path: Path) -> None:
    document = json.loads(path.read_text("utf-8"))
    found = read("nullboiler", **document)
    assert found.document == document
    assert [*found.document] == [*document]
    assert [*found.document["nodes"]] == [*document["nodes"]]


def test_the_state_is_described_in_our_words() -> None:
    schema = {
        "a": {"type": "str"},
        "b": {"type": "any", "reducer": "append"},
        "c": "merge",
        "d": "int",
        "e": {"type": "string"},
    }
    assert graph({}, ["__start__", "__end__"], schema=schema).document["state_schema"] == {
        "a": {"type": "string"}, "b": {"reducer": "append"}, "c": {"reducer": "merge"}, "d": {"type": "integer"},
        "e": {"type": "string"},
    }  # fmt: skip


def test_state_schema_is_the_name_that_counts() -> None:
    found = graph({}, ["__start__", "__end__"], state_schema={"a": {}}, schema={"b": {}})
    assert found.document["state_schema"] == {"a": {}}


def test_managed_values_have_a_root_of_their_own() -> None:
    node = {
        "type": "task",
        "prompt_template": "{{ state.__meta.node_name }} {{ __meta.run_id }}",
        "parameters": {"x": "__meta"},
    }
    found = graph({"a": node}, ["__start__", "a"], ["a", "__end__"]).document["nodes"]["a"]
    assert found["prompt_template"] == "{{ meta.node }} {{ meta.run_id }}"
    assert found["parameters"] == {"x": "__meta"}


def test_a_route_says_what_its_edges_say() -> None:
    nodes = {"r": {"type": "route", "input": "state.x", "default": "b"}, "a": {}, "b": {}}
    found = graph(nodes, ["__start__", "r"], ["r:1", "a"], ["r:2", "b"], state_schema={"x": {}}).document
    assert found["nodes"]["r"] == {"type": "route", "input": "state.x", "default": "2", "routes": {"1": "a", "2": "b"}}


def test_edges_say_what_a_route_says() -> None:
    nodes = {"r": {"type": "route", "input": "state.x", "routes": {"1": "a b"}}, "a b": {}}
    found = graph(nodes, ["__start__", "r"], ["a b", "__end__"], state_schema={"x": {}})
    assert ["r:1", "a-b"] in found.document["edges"]
    assert found.valid


def test_names_are_changed_wherever_they_stand() -> None:
    nodes = {
        "a b": {"goto": ["c:d"]}, "c:d": {"type": "send", "items_key": "x", "targets": ["1"]}, "1": {},
    }  # fmt: skip
    found = graph(
        nodes, ["__start__", "a b"], ["a b", "c:d"], ["c:d", "__end__"], state_schema={"x": {}}, interrupt_after=["a b"]
    )
    assert list(found.document["nodes"]) == ["a-b", "c-d", "n-1"]
    assert found.document["edges"] == [["__start__", "a-b"], ["a-b", "c-d"], ["c-d", "__end__"]]
    assert found.document["nodes"]["a-b"]["goto"] == ["c-d"]
    assert found.document["nodes"]["c-d"]["targets"] == ["n-1"]
    assert found.document["interrupt_after"] == ["a-b"]
    assert found.document["state_schema"]["send_results"] == {"type": "array"}
    assert found.valid


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("approval", "interrupt"),
        ("router", "route"),
        ("sub_workflow", "subgraph"),
        ("map", "send"),
        ("fan_out", "send"),
    ],
)
def test_older_kinds_are_what_took_their_place(older: str, newer: str) -> None:
    found = graph({"a": {"type": older}})
    assert found.document["nodes"]["a"]["type"] == newer
    assert paths(found, "the older kinds") == ["/nodes/a/type"]


@pytest.mark.parametrize("kind", ["saga", "debate", "group_chat", "signal", "loop"])
def test_other_kinds_are_left_to_workers(kind: str) -> None:
    found = graph({"a": {"type": kind, "worker_tags": ["x"], "rounds": 3}}, ["__start__", "a"], ["a", "__end__"])
    assert found.document["nodes"]["a"] == {
        "type": "task", "worker_tags": ["x", kind], "metadata": {"imported": {"rounds": 3}},
    }  # fmt: skip
    assert found.valid


def test_graphs_inside_are_read_too() -> None:
    inner = {
        "schema": {"x": {"type": "str"}},
        "nodes": {"b c": {}},
        "edges": [["__start__", "b c"], ["b c", "__end__"]],
    }
    nodes = {"a": {"type": "subgraph", "definition": inner}}
    found = graph(nodes, ["__start__", "a"], ["a", "__end__"], subgraphs={"s": inner})
    child = {
        "state_schema": {"x": {"type": "string"}},
        "nodes": {"b-c": {}},
        "edges": [["__start__", "b-c"], ["b-c", "__end__"]],
    }
    assert found.document["nodes"]["a"]["definition"] == child
    assert found.document["subgraphs"] == {"s": child}
    assert found.valid


def test_a_type_that_is_no_name_is_told() -> None:
    assert malformed(graph({"a": {"type": 3}}, ["__start__", "a"])) == ["/nodes/a/type"]
