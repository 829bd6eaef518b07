"""Workflow-Runner: payloads, rules in order, loops with three ways out, the older form."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.importers.samples import malformed, paths, read


def node(id: str, type: str = "function", **config: Any) -> dict[str, Any]:
    return {"id": id, "type": type, **({"config": config} if config else {})}


def runner(*nodes: dict[str, Any], edges: str = "") -> Any:
    """What becomes of these nodes; edges are `a-b`."""
    made = [dict(zip(("from", "to"), pair.split("-"), strict=True)) for pair in edges.split()]
    return read("workflow_runner", id="w", nodes=list(nodes), edges=made)


@pytest.mark.parametrize("kind", ["function", "http", "transform", "aggregate", "filter"])
def test_types_that_work_are_tasks(kind: str) -> None:
    found = runner(node("a", kind, x={"y": 1})).document["nodes"]["a"]
    assert (found["type"], found["worker_tags"], found["parameters"]) == ("task", [kind], {"x": {"y": 1}})
    assert found["input"] == {"payload": "{{ state.payload }}"}


def test_a_fork_and_a_join_hand_payloads_on() -> None:
    found = runner(*map(node, "abcd"), edges="a-b a-c b-d c-d")
    assert found.document["nodes"]["d"]["input"] == {"b": "{{ state.b }}", "c": "{{ state.c }}"}
    assert found.document["edges"][-1] == ["d", "__end__"]


def rules(*found: Any, **more: Any) -> dict[str, Any]:
    listed = [{"condition": condition, "next_nodes": names} for condition, names in found]
    return node("if", "conditional", rules=listed, **more)


def test_the_first_rule_counts_and_leads_to_several() -> None:
    found = runner(
        node("a"),
        rules(("output.n > 1", ["b", "c"]), ({"type": "cel", "expression": "context.a.x"}, "d"), default=["b", "d"]),
        *map(node, "bcd"), edges="a-if",
    )  # fmt: skip
    route = found.document["nodes"]["if"]
    assert route["rules"] == [
        {"when": "state.a.n > 1", "to": ["b", "c"]}, {"when": "state.a.x", "to": ["d"]},
        {"when": "true", "to": ["b", "d"]},
    ]  # fmt: skip
    assert found.valid
    assert found.document["nodes"]["b"]["input"] == {"a": "{{ state.a }}"}


def test_conditions_may_stand_on_edges() -> None:
    nodes = [node("a"), node("if", "conditional"), node("b"), node("c")]
    edges = [{"from": "a", "to": "if"}, {"from": "if", "to": "b", "condition": "output.ok"}, {"from": "if", "to": "c"}]
    route = read("workflow_runner", nodes=nodes, edges=edges).document["nodes"]["if"]
    assert (route["rules"], route["default"]) == ([{"when": "state.a.ok", "to": ["b"]}], "c")


def test_a_conditional_that_works_too_is_a_task_and_a_route() -> None:
    found = runner(rules(("output.ok", ["b"]), default=["b"], function="check"), node("b"))
    assert found.document["nodes"]["if"]["type"] == "task"
    assert found.document["nodes"]["if-route"]["rules"] == [{"when": "state.n_if.ok", "to": ["b"]}]
    assert found.valid


def test_the_output_behind_several_nodes_is_the_last_that_there_is() -> None:
    found = runner(node("a"), node("b"), rules(("output.ok", ["c"]), default=["c"]), node("c"), edges="a-if b-if")
    assert found.document["nodes"]["if"]["rules"][0]["when"] == "(has(state.b) ? state.b : state.a).ok"
    assert paths(found, "`output` behind several") == ["/nodes/2/config/rules/0/condition"]
    assert found.valid


@pytest.mark.parametrize(
    "condition", ["", "$.x == 1", "output.n >", {"type": "js", "expression": "x"}, None, 3, "who.knows"]
)
def test_a_rule_that_cannot_be_an_expression_is_not_left_out_silently(condition: Any) -> None:
    found = runner(node("a"), rules((condition, ["b"]), default=["b"]), node("b"), edges="a-if")
    assert len(malformed(found)) == 1
    assert not found.valid


def loop(**more: Any) -> dict[str, Any]:
    usual = {
        "max_iterations": 3,
        "loop_back_to": "a",
        "condition": "output.n < 9",
        "break_path": ["b"],
        "timeout_path": ["c"],
    }
    return node("l", "loop", **{name: value for name, value in {**usual, **more}.items() if value is not None})


def test_a_loop_ends_by_its_number_or_its_condition() -> None:
    found = runner(node("a"), loop(), node("b"), node("c"), edges="a-l")
    route = found.document["nodes"]["l-route"]
    assert route["rules"] == [{"when": "state.l_iterations >= 3", "to": ["c"]}, {"when": "state.a.n < 9", "to": ["a"]}]
    assert route["default"] == "b"
    assert found.document["nodes"]["l"] == {"type": "transform", "updates": {"l_iterations": 1}}
    assert found.document["edges"][0] == ["__start__", "a"]
    assert found.valid


def test_a_loop_without_a_timeout_path_breaks() -> None:
    found = runner(node("a"), loop(timeout_path=None), node("b"), edges="a-l")
    assert found.document["nodes"]["l-route"]["rules"][0] == {"when": "state.l_iterations >= 3", "to": ["b"]}
    assert paths(found, "a loop without") == ["/nodes/1/config"]


def test_a_loop_in_a_loop_counts_anew() -> None:
    outer = node("m", "loop", max_iterations=2, loop_back_to="a", condition="true", break_path=["c"])
    found = runner(node("a"), loop(timeout_path=None), node("b"), outer, node("c"), edges="a-l b-m")
    assert found.document["nodes"]["l-break"]["updates"] == {"l_iterations": {"__overwrite": True, "value": 0}}
    assert "m-break" not in found.document["nodes"]
    assert found.valid


@pytest.mark.parametrize(("wait", "join"), [(True, None), (False, "each"), (None, None)])
def test_waiting_for_all_is_what_nodes_do(wait: Any, join: Any) -> None:
    last = node("c") | ({} if wait is None else {"wait_for_all": wait})
    assert runner(node("a"), node("b"), last, edges="a-c b-c").document["nodes"]["c"].get("join") == join


def test_names_may_be_in_camel_case() -> None:
    given = {"maxIterations": 2, "loopBackTo": "a", "condition": "true", "breakPath": ["b"], "timeoutPath": ["b"]}
    found = runner(node("a"), {"id": "l", "type": "function", "loop": given}, node("b"), edges="a-l")
    assert [rule["to"] for rule in found.document["nodes"]["l-route"]["rules"]] == [["b"], ["a"]]


def test_names_of_no_node_are_told() -> None:
    found = runner(node("a"), loop(loop_back_to="z"), node("b"), node("c"), edges="a-l a-y")
    assert malformed(found) == ["/edges/1", "/nodes/1/config/loop_back_to"]


def test_the_older_form_says_by_names_what_follows() -> None:
    nodes = [node("a"), node("b") | {"depends_on": ["a"]}, node("c") | {"dependencies": ["b"]}, node("d")]
    nodes[0]["dependents"] = ["d"]
    found = read("workflow_runner", nodes=nodes)
    assert found.document["edges"] == [
        ["__start__", "a"], ["a", "d"], ["a", "b"], ["b", "c"], ["c", "__end__"], ["d", "__end__"],
    ]  # fmt: skip


def test_the_longest_name_counts() -> None:
    nodes = [node("a"), node("a.b"), rules(("context.a.b.c && context.a.c", ["a"]), default=["a"])]
    found = runner(*nodes, edges="a.b-if")
    assert found.document["nodes"]["if"]["rules"][0]["when"] == "state.a_b.c && state.a.c"


def test_the_first_node_of_a_loop_gets_the_payload_and_may_miss_what_comes_round() -> None:
    found = runner(node("a"), loop(timeout_path=None), node("b"), edges="a-l")
    assert found.document["nodes"]["a"]["input"] == {
        "payload": "{{ state.payload }}", "a": {"$expr": "has(state.a) ? state.a : null"},
    }  # fmt: skip
    round_again = read("workflow_runner", nodes=[node("a"), node("b") | {"dependents": ["a"], "depends_on": ["a"]}])
    assert round_again.document["nodes"]["a"]["input"]["b"] == {"$expr": "has(state.b) ? state.b : null"}
