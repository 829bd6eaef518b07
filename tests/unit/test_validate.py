"""What is wrong with a document: one small document for each problem."""

from __future__ import annotations

import json
import math

import pytest

from engine.validate import Limits, validate
from tests.builders import chain, document, route, task, writes
from tests.unit.validating import GOOD, codes, found, node, only, with_

# ---- documents without problems


def test_a_good_document_has_no_problems():
    assert validate(GOOD) == ()


def test_a_document_without_state_and_nodes_is_good():
    assert validate({"nodes": {}, "edges": [["__start__", "__end__"]]}) == ()


def test_schema_is_accepted_for_state_schema():
    renamed = {("schema" if name == "state_schema" else name): value for name, value in GOOD.items()}

    assert validate(renamed) == ()


def test_notes_at_the_top_are_kept_without_a_word():
    notes = {
        "name": "A", "description": None, "definition_version": "1", "tags": ["x"], "metadata": {"a": 1},
        "environment": "test", "namespace": "n", "origin_id": "o",
    }  # fmt: skip

    assert validate(with_(**notes)) == ()


def test_fields_for_editors_are_kept_without_a_word():
    fields = task(label="A", position={"x": 1}, ui={"open": True}, metadata={"owner": "me"}, parameters=[1])

    assert validate(node(fields)) == ()


def test_edges_in_the_long_form_are_edges():
    long = [
        {"id": "e1", "source": {"node": "__start__"}, "target": {"node": "a", "port": "in"}},
        {"source": {"node": "a", "port": None}, "target": {"node": "__end__"}, "label": "done"},
    ]

    assert validate(document({"a": task()}, []) | {"edges": long}) == ()


def test_defaults_stand_under_the_fields_of_a_node():
    sends = {"type": "send", "target_node": "w"}
    wanted = document({"s": sends, "w": task()}, chain("s"), defaults={"send": {"items_key": "items"}})

    assert validate(wanted) == ()


def test_a_config_may_hold_keys_for_workers_and_templates():
    assert validate(with_(config={"max_steps": 5, "model": {"name": "x"}})) == ()


# ---- what is no document


@pytest.mark.parametrize("value", [None, True, 7, "x", [], [1, 2], math.nan])
def test_what_is_no_object_is_no_document(value):
    assert [problem.code for problem in validate(value)] == ["document.type"]


def test_a_problem_as_json_has_all_its_fields():
    assert only({**GOOD, "naem": "x"}).as_json() == {
        "code": "document.field",
        "severity": "error",
        "path": "/naem",
        "node": None,
        "message": "unknown field `naem`",
        "hint": "did you mean `name`?",
    }


def test_all_problems_come_at_once():
    wrong = document(
        {"a": writes(nope=1), "r": route("x"), "s": {"type": "send", "items_key": "items", "target_node": "ghost"}},
        [("__start__", "a"), ("a", "miss"), ("a", "s")],
        extra=1,
    )

    expected = {"document.field", "reference.state", "edge.node", "send.target", "route.edge", "end.unreachable"}
    assert expected <= set(codes(wrong))


@pytest.mark.parametrize("name", ["nodes", "edges"])
def test_nodes_and_edges_have_to_be_there(name):
    problem = found({other: value for other, value in GOOD.items() if other != name}, "document.field")[0]

    assert f"`{name}` is missing" in problem.message


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("id", 7, "expected a string, got integer 7"),
        ("name", [], "expected a string or null"),
        ("tags", ["x", 1], "not of type"),
        ("state_schema", 7, "expected an object"),
        ("nodes", [], "expected an object, got array of 0"),
        ("edges", {}, "expected an array"),
        ("config", 1, "expected an object"),
        ("defaults", "x", "expected an object"),
        ("output", "log", "expected an array or an object or null"),
        ("input_schema", "x", "expected an object or true or false"),
    ],
)
def test_a_top_level_field_of_the_wrong_type_is_named(name, value, said):
    problem = found(with_(**{name: value}), "document.type")[0]

    assert problem.path.startswith(f"/{name}")
    assert said in problem.message


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a?b", "a\nb", ".", ".."])
def test_an_id_has_to_fit_into_a_url(name):
    assert found(with_(id=name), "document.type")[0].path == "/id"


def test_schema_and_state_schema_together_are_too_much():
    assert only(with_(schema=GOOD["state_schema"])).path == "/schema"


def test_limits_of_the_config_are_checked():
    assert only(with_(config={"max_steps": 0})).path == "/config/max_steps"


# ---- limits and joins of nodes


LIMITS = {"max_concurrency": 0, "concurrency_key": 7, "rate_limit": {"limit": 0, "per_ms": 1}}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("own", [{"type": "wait", "seconds": 1}, {"type": "interrupt", "message": "?"}, task()])
def test_limits_that_are_none_are_refused_in_every_node(own, name):
    problem = only(node({**own, name: LIMITS[name]}))

    assert (problem.code, problem.node) == ("document.type", "a")
    assert problem.path.startswith(f"/nodes/a/{name}")


@pytest.mark.parametrize("join", ["some", 2, {"quorum": 0}, {"quorum": 1, "of": 2}, {}])
def test_a_join_is_one_of_the_known_ones(join):
    problem = only(node(task(join=join)))

    assert (problem.code, problem.path) == ("document.type", "/nodes/a/join")
    assert "expected `all` or `any` or `first` or `each` or an object with `quorum`" in problem.message


def test_a_quorum_is_no_larger_than_the_number_of_edges():
    problem = only(node(task(join={"quorum": 2})))

    assert (problem.code, problem.path, problem.node) == ("join.quorum", "/nodes/a/join/quorum", "a")
    assert "only 1 lead to it" in problem.message


@pytest.mark.parametrize(("goto", "path"), [("bb", "/goto"), (["a", "bb"], "/goto/1")])
def test_a_node_that_an_answer_could_not_go_to_is_named(goto, path):
    problem = only(node(task(goto=goto)))

    assert (problem.code, problem.path, problem.node) == ("goto.target", f"/nodes/a{path}", "a")


def test_a_deferred_node_needs_no_edge():
    right = document({"a": task(), "b": task(defer=True)}, chain("a"))

    assert found(right, "node.unreachable") + found(right, "node.unused") == []


def test_a_node_that_only_answers_lead_to_is_reachable():
    wrong = document({"a": task(goto=["b"]), "b": task()}, [*chain("a"), ("b", "__end__")])

    assert found(wrong, "node.unreachable") == []


@pytest.mark.parametrize("join", ["some", 7, {}, {"k": 1}])
def test_a_join_that_does_not_exist_is_a_wrong_type(join):
    assert "expected" in only(node(task(join=join))).message or "not one of" in only(node(task(join=join))).message


EXPIRES = [*chain("i"), ("i:expired", "b"), ("b", "__end__")]


def test_an_interrupt_that_expires_may_have_an_edge_for_that():
    good = document({"i": {"type": "interrupt", "expires_in_ms": 5}, "b": task()}, EXPIRES)

    assert validate(good) == ()


def test_an_edge_for_expiry_needs_an_interrupt_that_expires():
    problem = only(document({"i": {"type": "interrupt"}, "b": task()}, EXPIRES))

    assert (problem.code, problem.path) == ("edge.handle", "/edges/2")
    assert "expires_in_ms" in problem.message


def test_a_value_for_expiry_needs_a_time_and_fits_the_schema():
    alone = only(node({"type": "interrupt", "on_expire": 1}))
    wrong = only(node({"type": "interrupt", "on_expire": 1, "expires_in_ms": 5, "schema": {"type": "string"}}))

    assert (alone.code, alone.path) == ("document.field", "/nodes/a/on_expire")
    assert (wrong.code, wrong.path) == ("mapping.type", "/nodes/a/on_expire")


@pytest.mark.parametrize("config", [{"timeout_ms": 1.5}, {"max_cost": -1}, {"max_steps": "9"}])
def test_a_limit_of_runs_is_a_number_that_can_be_one(config):
    problem = only(with_(config=config))

    assert (problem.code, problem.path) == ("document.type", f"/config/{next(iter(config))}")


# ---- sizes


def test_too_many_nodes_are_refused():
    names = [f"n{number}" for number in range(3)]
    wanted = document({name: task() for name in names}, chain(*names))

    assert [problem.code for problem in validate(wanted, Limits(max_nodes=2))] == ["limit.nodes"]
    assert validate(wanted, Limits(max_nodes=3)) == ()


def test_a_document_that_is_too_large_is_refused():
    size = len(json.dumps(GOOD, separators=(",", ":")))

    assert [problem.code for problem in validate(GOOD, Limits(max_bytes=size - 1))] == ["limit.size"]
    assert validate(GOOD, Limits(max_bytes=size)) == ()


def test_a_document_that_is_nested_too_deeply_is_refused():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]

    assert [problem.code for problem in validate(with_(metadata=deep))] == ["limit.size"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**63, {1, 2}, {1: 2}, "\ud800"])
def test_what_json_cannot_say_is_refused(value):
    assert [problem.code for problem in validate(with_(metadata=value))] == ["document.type"]
