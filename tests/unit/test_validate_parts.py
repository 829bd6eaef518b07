"""Problems inside of a field: all at once, each with its place, and what is missing named as missing."""

from __future__ import annotations

import pytest

from engine.validate import validate
from tests.builders import chain, document, task, writes
from tests.unit.validating import found, node

SEND = {"type": "send", "items_key": "items", "target_node": "w"}
KEYS = {"items": {"type": "array"}, "k": {}, "send_results": {}}


@pytest.mark.parametrize(
    ("fields", "path", "name"),
    [
        (task(cache={}), "/nodes/a/cache", "ttl_ms"),
        (task(rate_limit={"limit": 1}), "/nodes/a/rate_limit", "per_ms"),
        ({"type": "route", "rules": [{"to": "b"}]}, "/nodes/a/rules/0", "when"),
        ({"type": "subgraph", "workflow": {"version": 1}}, "/nodes/a/workflow", "id"),
    ],
)
def test_a_field_that_is_missing_inside_of_a_field_is_called_missing(fields, path, name):
    (problem,) = [one for one in found(node(fields), "document.field") if "missing" in one.message]

    assert (problem.path, problem.message) == (path, f"the field `{name}` is missing")
    assert found(node(fields), "document.type") == []


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        (task(cache={"ttl_ms": "x", "key": "{{ state.no }}"}), {"/nodes/a/cache/ttl_ms", "/nodes/a/cache/key"}),
        (task(cache={"ttl": 1, "key": "{{ state.no }}"}), {"/nodes/a/cache", "/nodes/a/cache/ttl"}),
        (
            {"type": "route", "rules": [{"when": "state.no", "to": "b"}, {"wen": "true", "to": "b"}]},
            {"/nodes/a/rules/0/when", "/nodes/a/rules/1", "/nodes/a/rules/1/wen"},
        ),
        (
            {"type": "subgraph", "workflow": "w", "loop": {"until": "state.no", "max_iterations": "x"}},
            {"/nodes/a/loop/until", "/nodes/a/loop/max_iterations"},
        ),
    ],
)
def test_what_is_wrong_in_a_field_hides_nothing_else_of_it(fields, paths):
    assert paths <= {problem.path for problem in validate(node(fields))}


def test_what_an_item_writes_races_with_what_runs_beside_its_send():
    nodes = {
        "s": SEND,
        "b": writes(k=1),
        "w": writes(k=2),
    }
    edges = [["__start__", "s"], ["__start__", "b"], ["s", "__end__"], ["b", "__end__"]]

    (race,) = found(document(nodes, edges, KEYS), "state.race")

    assert "`s` and `b`" in race.message


def test_what_does_not_apply_to_an_item_races_with_nothing():
    nodes = {"s": SEND, "b": writes(k=1), "w": task(output_key="k")}
    edges = [["__start__", "s"], ["__start__", "b"], ["s", "__end__"], ["b", "__end__"]]

    assert found(document(nodes, edges, KEYS), "state.race") == []


@pytest.mark.parametrize("sources", [(), ("workflow", "subgraph")])
def test_a_subgraph_with_no_graph_or_two_has_one_problem(sources):
    fields = {"type": "subgraph", **dict.fromkeys(sources, "w")}

    assert [problem.code for problem in validate(document({"a": fields}, chain("a")))] == ["document.field"]
