"""A document becomes a graph: nodes, edges, state keys and their checks, and what a run answers."""

from __future__ import annotations

import pytest

from engine.errors import Invalid
from engine.missing import MISSING
from engine.output import output_of
from engine.parse import Limits, load, parse, stored_form
from engine.retry import RetryPolicy
from tests.builders import chain, document, graph_of, route, task, writes


def key(**entry):
    """The state key of an entry."""
    return graph_of(document({"a": task()}, chain("a"), {"k": entry})).state["k"]


# ---- documents


def test_the_stored_document_says_state_schema():
    authored = {"id": "x", "schema": {"n": {}}, "nodes": {}, "edges": [], "ui": 1}

    assert stored_form(authored) == {"id": "x", "state_schema": {"n": {}}, "nodes": {}, "edges": [], "ui": 1}
    assert list(stored_form(authored)) == ["id", "state_schema", "nodes", "edges", "ui"]


def test_everything_else_is_stored_as_authored():
    edges = [{"id": "e", "source": {"node": "__start__"}, "target": {"node": "a", "port": "in"}, "label": 1}]
    authored = document({"a": task(ui={"x": 1}, position=[1, 2])}, []) | {"edges": [*edges, ["a", "__end__"]]}

    assert load(authored, "w", 1).document == authored


def test_a_document_with_errors_is_refused_with_all_its_problems():
    wrong = document({"a": task(output_key="nope"), "u": task()}, [*chain("a"), ("a", "ghost")])

    with pytest.raises(Invalid) as refused:
        load(wrong, "w", 1)

    assert refused.value.reason == "workflow.invalid"
    assert {problem["code"] for problem in refused.value.problems} == {"reference.state", "edge.node", "node.unused"}
    assert "2" not in refused.value.message.partition(":")[0]


def test_warnings_refuse_nothing():
    assert load(document({"a": task(), "u": task()}, chain("a")), "w", 3).version == 3


def test_limits_are_those_given():
    with pytest.raises(Invalid):
        load(document({"a": task(), "b": task()}, chain("a", "b")), "w", 1, Limits(max_nodes=1))


# ---- nodes and edges


def test_nodes_have_their_place_in_the_document():
    graph = graph_of(document({"b": task(), "a": task()}, chain("a", "b")))

    assert [(node.name, node.type, node.position) for node in graph.nodes.values()] == [
        ("b", "task", 0),
        ("a", "task", 1),
    ]


def test_a_node_without_type_is_a_task():
    assert graph_of(document({"a": {}}, chain("a"))).nodes["a"].type == "task"


def test_own_fields_stand_over_the_defaults_of_the_type():
    defaults = {"task": {"timeout_ms": 5, "on_error": "skip", "retry": {"max_attempts": 9, "jitter": 0.5}}}
    nodes = {"a": task(timeout_ms=7.0, retry={"max_attempts": 2.0}), "b": task()}

    graph = graph_of(document(nodes, chain("a", "b"), defaults=defaults))

    assert (graph.nodes["a"].timeout_ms, graph.nodes["a"].on_error) == (7, "skip")
    assert graph.nodes["a"].retry == RetryPolicy(max_attempts=2)
    assert graph.nodes["b"].retry == RetryPolicy(max_attempts=9, jitter=0.5)
    assert isinstance(graph.nodes["a"].timeout_ms, int)


def test_a_retry_policy_is_read_whole():
    retry = {
        "max_attempts": 3, "initial_interval_ms": 10, "backoff_factor": 3, "max_interval_ms": 50, "jitter": 1,
        "retry_on": ["x"],
    }  # fmt: skip

    policy = graph_of(document({"a": task(retry=retry)}, chain("a"))).nodes["a"].retry

    assert policy == RetryPolicy(
        max_attempts=3, initial_interval_ms=10, backoff_factor=3.0, max_interval_ms=50, jitter=1.0, retry_on=("x",)
    )


def test_both_forms_of_edges_are_read():
    edges = [
        ["__start__", "r"],
        ["r:a:b", "t"],
        {"source": {"node": "t", "port": "error"}, "target": {"node": "__end__", "port": "in"}},
        {"source": {"node": "t", "port": ""}, "target": {"node": "__end__"}},
    ]
    graph = load(document({"r": route("a:b"), "t": task()}, []) | {"edges": edges}, "w", 1)

    assert [(edge.index, edge.source, edge.handle, edge.target) for edge in graph.edges] == [
        (0, "__start__", None, "r"),
        (1, "r", "a:b", "t"),
        (2, "t", "error", "__end__"),
        (3, "t", None, "__end__"),
    ]


# ---- state keys


def test_an_entry_becomes_a_state_key():
    found = key(type="integer", reducer="add", default=3, ephemeral=True)

    assert (found.name, found.reducer.name, found.default, found.ephemeral) == ("k", "add", 3, True)
    assert key().default is MISSING
    assert key().reducer.name == "last_value"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", [1, 3.0, -(2**60)], [True, 1.5, "1", None]),
        ("number", [1, 1.5], [False, "1", None]),
        ("string", ["", "x"], [1, None]),
        ("boolean", [True, False], [0, 1, None]),
        ("array", [[], [1]], [{}, "x", None]),
        ("object", [{}, {"a": 1}], [[], None]),
        ("null", [None], [0, False, ""]),
        (["string", "null"], ["x", None], [1]),
    ],
)
def test_a_value_has_the_type_of_its_entry(kind, good, bad):
    check = key(type=kind).check

    assert [check(value, value) for value in good] == [None] * len(good)
    assert all(check(value, value) for value in bad)


def test_what_is_wrong_says_what_was_expected_and_what_came_shortened():
    said = key(type="integer").check("x" * 5000, MISSING)

    assert said is not None
    assert said.startswith("expected integer, got")
    assert len(said) < 200


def test_an_entry_without_type_takes_everything():
    assert key(title="anything").check(object, MISSING) is None


def test_other_keywords_are_checked_by_the_whole_schema():
    check = key(type="string", maxLength=3).check

    assert check("abc", "abc") is None
    assert check("abcd", "abcd")


def test_of_a_list_that_grows_only_what_was_added_is_looked_at():
    check = key(type="array", reducer="append", items={"type": "integer"}).check

    assert check(["old", 1], 1) is None
    assert check(["old", 1, 2], [1, 2]) is None
    assert check(["old", "x"], "x")
    assert check(["old", "x"], [1, "x"])


@pytest.mark.parametrize("update", [MISSING, {"__overwrite": True, "value": ["old"]}])
def test_a_list_that_was_set_or_merged_is_looked_at_whole(update):
    assert key(type="array", reducer="append", items={"type": "integer"}).check(["old"], update)


def test_a_message_is_looked_at_when_it_comes_and_not_when_it_goes():
    entry = {"type": "array", "reducer": "add_messages", "items": {"type": "object", "required": ["text"]}}
    check = key(**entry).check

    assert check([], [{"id": "1", "remove": True}]) is None
    assert check([{"id": "1"}], {"id": "1"})


def test_an_object_in_a_list_is_no_removal():
    assert key(type="array", reducer="append", items={"type": "integer"}).check([{}], {"remove": True})


# ---- input and output


def test_the_keys_of_the_input_schema_are_known():
    schema = {"properties": {"q": {}}, "anyOf": [{"properties": {"w": {}}}], "then": {"$ref": "#/$defs/a~1b"}}
    schema["$defs"] = {"a/b": {"properties": {"far": {}}, "$ref": "#/$defs/a~1b"}}

    assert graph_of(document({"a": task()}, chain("a"), input_schema=schema)).input_keys == {"q", "w", "far"}


def output(spec, **state):
    graph = parse(document({"a": writes(n=1)}, chain("a"), output=spec), "w", 1)
    return output_of(graph, {"input": {"q": 1}, "config": {}}, state)


def test_a_run_answers_its_whole_state_unless_told_otherwise():
    assert output(None, n=1, log=[]) == {"n": 1, "log": []}


def test_a_run_answers_the_keys_that_are_there():
    assert output(["n", "last"], n=1, log=[]) == {"n": 1}


def test_a_run_answers_what_its_output_computes():
    assert output({"sum": {"$expr": "state.n + 1"}, "q": "{{ input.q }}", "c": [1]}, n=1) == {
        "sum": 2,
        "q": 1,
        "c": [1],
    }
