"""ShipSec: typed edges, joins, failure policies, runners and handles."""

from __future__ import annotations

from typing import Any

import pytest

from engine.importers._notes import Outcome
from tests.unit.importers.samples import malformed, notes_of, paths, read


def edge(source: str, target: str, kind: str = "normal", **more: Any) -> dict[str, Any]:
    return {"source": source, "target": target, "edgeType": kind, **more}


def shipsec(*edges: dict[str, Any], **nodes: dict[str, Any]) -> Any:
    """What becomes of these edges between the nodes a, b, c and d; `nodes` have fields of their own."""
    listed = [{"id": id, "componentId": f"c.{id}", **nodes.get(id, {})} for id in "abcd"]
    return read("shipsec", id="w", nodes=listed, edges=list(edges))


def test_handles_say_what_goes_where() -> None:
    found = shipsec(
        edge("a", "b", sourceHandle="url", targetHandle="host"), edge("a", "c"), edge("b", "d", targetHandle="x-1"),
        edge("c", "d", targetHandle="x-1"),
    )  # fmt: skip
    nodes = found.document["nodes"]
    assert nodes["a"]["input"] == {"inputs": "{{ state.inputs }}"}
    assert nodes["b"]["input"] == {"host": "{{ state.a.url }}"}
    assert nodes["c"]["input"] == {"a": "{{ state.a }}"}
    assert nodes["d"]["input"] == {"x-1": {"$expr": "has(state.b) ? state.b : (has(state.c) ? state.c : null)"}}


@pytest.mark.parametrize(
    ("given", "join"),
    [
        ({"joinStrategy": "any"}, "any"),
        ({"joinStrategy": "first"}, "first"),
        ({"joinStrategy": "all"}, "all"),
        ({"joinStrategy": {"type": "quorum", "quorum": 2}}, {"quorum": 2}),
        ({"joinStrategy": "quorum", "joinQuorum": 2}, {"quorum": 2}),
        ({}, None),
    ],
)
def test_joins(given: dict[str, Any], join: Any) -> None:
    found = shipsec(edge("a", "d"), edge("b", "d"), edge("c", "d"), d=given)
    assert found.valid
    assert found.document["nodes"]["d"].get("join") == join


@pytest.mark.parametrize("given", ["most", "quorum", 3, {"type": "quorum"}])
def test_a_join_that_is_none_is_told(given: Any) -> None:
    assert malformed(shipsec(edge("a", "d"), edge("b", "d"), d={"joinStrategy": given})) == ["/nodes/3/joinStrategy"]


def test_error_edges_give_the_error() -> None:
    found = shipsec(edge("a", "b"), edge("a", "c", "error"))
    assert ["a:error", "c"] in found.document["edges"]
    assert found.document["nodes"]["c"]["input"] == {"error": "{{ error }}"}
    assert found.valid


def test_conditional_edges_leave_by_a_route() -> None:
    found = shipsec(
        edge("a", "b", "conditional", sourceHandle="bad"), edge("a", "c", "conditional", sourceHandle="bad"),
        edge("a", "d", "conditional", condition="output.score < 3 || a.old"),
    )  # fmt: skip
    route = found.document["nodes"]["a-route"]
    assert [rule["to"] for rule in route["rules"]] == [["b", "c"], ["d"]]
    assert route["rules"][0]["when"].endswith("state.a.bad != null && state.a.bad != false")
    assert route["rules"][1]["when"] == "state.a.score < 3 || state.a.old"
    assert ["a-route:none", "__end__"] in found.document["edges"]
    assert found.valid


@pytest.mark.parametrize(
    ("given", "policy"),
    [("skip", "skip"), ("skip-dependents", "skip"), ("failWorkflow", "fail"), ("continue", "continue")],
)
def test_failure_policies(given: str, policy: str) -> None:
    assert shipsec(edge("a", "b"), a={"onError": given}).document["nodes"]["a"]["on_error"] == policy


def test_a_policy_that_is_not_known_is_the_usual_one() -> None:
    found = shipsec(edge("a", "b"), a={"failurePolicy": "pray"})
    assert "on_error" not in found.document["nodes"]["a"]
    assert paths(found, "another failure policy") == ["/nodes/0/failurePolicy"]


def test_what_the_worker_cannot_know_is_kept() -> None:
    runner = {"kind": "docker", "image": "x:1"}
    found = shipsec(edge("a", "b"), a={"runnerConfig": runner, "groupId": "g", "metadata": {"concurrency": {"max": 2}}})
    node = found.document["nodes"]["a"]
    assert node["worker_tags"] == ["c.a", "runner:docker"]
    assert node["metadata"] == {"concurrency": {"max": 2}, "imported": {"runnerConfig": runner, "groupId": "g"}}


def test_counts_are_compared_with_the_edges() -> None:
    found = read("shipsec", nodes=[{"id": "a"}, {"id": "b"}], edges=[edge("a", "b")], incomingCounts={"a": 0, "b": 2})
    assert paths(found, "`incomingCounts` that") == ["/incomingCounts/b"]
    assert found.valid


def test_what_a_node_depends_on_is_an_edge_where_none_says_so() -> None:
    found = shipsec(edge("a", "b"), b={"dependsOn": ["a", "c"]})
    assert found.document["edges"].count(["c", "b"]) == 1
    assert found.document["edges"].count(["a", "b"]) == 1


def test_an_edge_of_no_type_and_one_to_nowhere_are_told() -> None:
    assert malformed(shipsec(edge("a", "b", "sideways"), edge("a", "z"), edge("z", "a"))) == [
        "/edges/1",
        "/edges/2",
        "/edges/0",
    ]


def test_nothing_is_made_up_of_a_plain_definition() -> None:
    found = shipsec(edge("a", "b"), edge("b", "c"), edge("c", "d"))
    assert {note.construct for note in notes_of(found, Outcome.APPROXIMATED)} == {
        "what entry nodes get from the runtime"
    }


@pytest.mark.parametrize(
    "unsure", [{"b": {"onError": "skip"}}, {"d": {"joinStrategy": "any"}}, {"c": {"onError": "continue"}}]
)
def test_what_may_be_missing_is_null(unsure: dict[str, Any]) -> None:
    found = shipsec(edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d"), **unsure)
    assert found.document["nodes"]["d"]["input"] == {
        "b": {"$expr": "has(state.b) ? state.b : null"}, "c": {"$expr": "has(state.c) ? state.c : null"},
    }  # fmt: skip
    assert found.document["nodes"]["b"]["input"] == {"a": "{{ state.a }}"}
