"""What is wrong with nodes, whatever their type, and with the defaults of their fields."""

from __future__ import annotations

import pytest

from engine.validate import validate
from tests.builders import chain, document, task, writes
from tests.unit.validating import found, node, only, with_

# ---- nodes


def test_an_unknown_field_of_a_node_is_named_with_the_nearest_known_one():
    problem = only(node(writes(n=1) | {"on_eror": "skip"}))

    assert (problem.code, problem.path, problem.node) == ("document.field", "/nodes/a/on_eror", "a")
    assert "on_eror" in problem.message
    assert problem.hint == "did you mean `on_error`?"


def test_a_field_that_no_known_one_is_like_comes_with_the_known_ones():
    assert only(node(task(zzz=1))).hint.startswith("known: ")


def test_an_unknown_field_inside_of_a_field_is_named():
    problem = only(node(task(retry={"max_atempts": 2})))

    assert (problem.code, problem.path) == ("document.field", "/nodes/a/retry/max_atempts")
    assert problem.hint == "did you mean `max_attempts`?"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (task(timeout_ms=0), "/timeout_ms"),
        (task(timeout_ms=True), "/timeout_ms"),
        (task(on_error="ignore"), "/on_error"),
        (task(retry=3), "/retry"),
        (task(retry={"jitter": 2}), "/retry/jitter"),
        (task(retry={"max_attempts": 0}), "/retry/max_attempts"),
        (task(worker_tags="x"), "/worker_tags"),
        (task(worker_tags=["x", None]), "/worker_tags/1"),
        (task(prompt_template={}), "/prompt_template"),
        (task(output_mapping={"log": 1}), "/output_mapping/log"),
        (task(label=7), "/label"),
        ({"type": 7}, "/type"),
        ({"type": "transform", "updates": []}, "/updates"),
        ({"type": "interrupt", "message": 7}, "/message"),
    ],
)
def test_a_field_of_a_node_of_the_wrong_type_is_named(fields, path):
    problem = only(node(fields))

    assert (problem.code, problem.path, problem.node) == ("document.type", f"/nodes/a{path}", "a")


def test_a_node_is_an_object():
    assert found(with_(nodes={"a": "x", "b": task()}), "document.type")[0].path == "/nodes/a"


def test_an_unknown_type_comes_with_the_known_ones():
    problem = only(node({"type": "tasks"}))

    assert (problem.code, problem.path) == ("node.type", "/nodes/a/type")
    assert "interrupt, route, send, subgraph, task, transform, wait" in problem.message
    assert problem.hint == "did you mean `task`?"


UUID = "3f8c1f6e-8d1b-4c57-9a5e-0b6f3d2c4e10"


@pytest.mark.parametrize(
    "name", ["1a", "a:b", "_a", "a b", "", "a/b", "ä", UUID[:-1], f"{UUID}-2", UUID.replace("-", "")]
)
def test_a_name_that_is_none_is_refused(name):
    assert [p.node for p in found(document({name: task()}, chain("a")), "node.name")] == [name]


@pytest.mark.parametrize("name", ["__start__", "__end__"])
def test_the_names_of_start_and_end_are_taken(name):
    assert found(document({name: task(), "a": task()}, chain("a")), "node.name")


def test_ids_of_other_tools_are_names():
    assert validate(document({"a3f1-4B_c.d": task()}, chain("a3f1-4B_c.d"))) == ()


@pytest.mark.parametrize("name", [UUID, UUID.upper()])
def test_a_uuid_is_a_name_also_where_it_begins_with_a_digit(name):
    assert validate(document({name: task()}, chain(name))) == ()


def test_a_pointer_escapes_what_it_has_to():
    assert found(document({"a/b~c": task()}, []), "node.name")[0].path == "/nodes/a~1b~0c"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"type": "transform"}, "`updates` is missing"),
        ({"type": "send", "target_node": "a"}, "`items_key` is missing"),
        ({"type": "send", "items_key": "items"}, "`target_node`"),
        ({"type": "route"}, "`rules`, or `input` and `routes`"),
        ({"type": "route", "input": "n"}, "`routes`"),
        ({"type": "route", "routes": {"1": "a"}}, "`input`"),
    ],
)
def test_a_field_that_is_missing_is_named(fields, said):
    assert said in found(node(fields), "document.field")[0].message


def test_a_send_names_its_targets_in_one_field():
    fields = {"type": "send", "items_key": "items", "target_node": "w", "targets": ["w"]}

    assert only(document({"s": fields, "w": task()}, chain("s"))).path == "/nodes/s/targets"


# ---- defaults


def test_defaults_are_checked_like_the_fields_of_nodes():
    problem = only(node(task(), defaults={"task": {"retries": {}}}))

    assert (problem.code, problem.path, problem.node) == ("document.field", "/defaults/task/retries", None)


def test_a_problem_in_defaults_is_told_once():
    defaults = {"task": {"prompt_template": "{{ state.nope }}"}}

    problem = only(document({"a": task(), "b": task()}, chain("a", "b"), defaults=defaults))

    assert (problem.code, problem.path) == ("reference.state", "/defaults/task/prompt_template")


@pytest.mark.parametrize(
    ("defaults", "code"),
    [({"tsk": {}}, "node.type"), ({"task": 5}, "document.type"), ({"task": {"type": "route"}}, "document.field")],
)
def test_defaults_are_fields_by_type(defaults, code):
    assert only(node(task(), defaults=defaults)).code == code
