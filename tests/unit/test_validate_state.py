"""What is wrong with state keys, reducers, schemas, templates, expressions, and the names in them."""

from __future__ import annotations

import pytest

from engine.validate import validate
from tests.builders import chain, document, route, task, writes
from tests.unit.validating import only

KEYS = {"n": {"type": "integer"}, "s": {"type": "string"}, "log": {"type": "array", "reducer": "append"}, "any": {}}


def one(fields, **more):
    return document({"a": fields}, chain("a"), KEYS, **more)


def state(**entries):
    return document({"a": task()}, chain("a"), entries)


# ---- the state


def test_every_reducer_takes_the_types_that_fit_it():
    fitting = state(
        a={"type": "integer", "reducer": "add"}, b={"type": ["number", "null"], "reducer": "min"},
        c={"type": "object", "reducer": "merge"}, d={"type": "array", "reducer": "append"}, e={"reducer": "append"},
        f={"type": "array", "reducer": "add_messages"}, g={"type": "string"}, h={},
        i={"type": "string", "ephemeral": True},
    )  # fmt: skip

    assert validate(fitting) == ()


def test_an_unknown_reducer_comes_with_the_known_ones():
    problem = only(state(a={"reducer": "apend"}))

    assert (problem.code, problem.path) == ("reducer.unknown", "/state_schema/a/reducer")
    assert "add_messages, append, last_value" in problem.message
    assert problem.hint == "did you mean `append`?"


@pytest.mark.parametrize(
    ("kind", "reducer"), [("string", "append"), ("array", "add"), ("array", "merge"), ("string", "max")]
)
def test_a_reducer_that_does_not_fit_the_type_is_refused(kind, reducer):
    assert only(state(a={"type": kind, "reducer": reducer})).code == "reducer.type"


@pytest.mark.parametrize("schema", [{"type": "text"}, {"properties": 1}, {"pattern": "("}, {"$ref": "http://x.test/s"}])
def test_an_entry_that_is_no_json_schema_is_refused(schema):
    problem = only(state(a=schema))

    assert (problem.code, problem.path) == ("schema.invalid", "/state_schema/a")


def test_a_default_has_to_satisfy_its_entry():
    problem = only(state(a={"type": "integer", "default": "x"}))

    assert (problem.code, problem.path) == ("schema.invalid", "/state_schema/a/default")


@pytest.mark.parametrize(
    ("entry", "path"), [(7, ""), ({"reducer": 7}, "/reducer"), ({"ephemeral": "yes"}, "/ephemeral")]
)
def test_an_entry_has_keywords_of_the_right_type(entry, path):
    problem = only(state(a=entry))

    assert (problem.code, problem.path) == ("document.type", f"/state_schema/a{path}")


def test_a_slip_in_our_own_keywords_is_found():
    assert only(state(a={"type": "array", "reducr": "append"})).hint == "did you mean `reducer`?"


def test_paths_name_the_field_that_the_author_used():
    wrong = {"schema": {"a": {"type": "text"}}, "nodes": {}, "edges": [["__start__", "__end__"]]}

    assert only(wrong).path == "/schema/a"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (task(input_schema={"type": "x"}), "/nodes/a/input_schema"),
        (task(output_schema={"type": "x"}), "/nodes/a/output_schema"),
        ({"type": "interrupt", "schema": {"type": "x"}}, "/nodes/a/schema"),
    ],
)
def test_schemas_in_nodes_are_checked(fields, path):
    problem = only(one(fields))

    assert (problem.code, problem.path, problem.node) == ("schema.invalid", path, "a")


def test_the_input_schema_is_checked():
    assert only(one(task(), input_schema={"type": 5})).path == "/input_schema"


# ---- state keys that nodes name


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (task(prompt_template="{{ state.nope }}"), "/prompt_template"),
        (task(prompt_template="{% if state.nope.x %}a{% endif %}"), "/prompt_template"),
        (task(input={"x": ["{{ state.nope }}"]}), "/input/x/0"),
        (task(input={"x": {"$expr": "state.nope + 1"}}), "/input/x/$expr"),
        (task(reads=["n", "nope"]), "/reads/1"),
        (task(reads=["n.x"]), "/reads/0"),
        (task(output_key="nope"), "/output_key"),
        (task(output_mapping={"nope": "a.b"}), "/output_mapping/nope"),
        (writes(nope=1), "/updates/nope"),
        ({"type": "interrupt", "message": "{{ state.nope }}"}, "/message"),
        ({"type": "interrupt", "output_key": "nope"}, "/output_key"),
    ],
)
def test_an_undeclared_state_key_is_named(fields, path):
    problem = only(one(fields))

    assert (problem.code, problem.path, problem.node) == ("reference.state", f"/nodes/a{path}", "a")
    assert "nope" in problem.message or "n.x" in problem.message


def test_routes_and_sends_name_declared_state_keys():
    nodes = {
        "r": {"type": "route", "input": "state.nope", "routes": {"x": "s"}},
        "s": {"type": "send", "items_key": "nix.items[0]", "target_node": "w", "output_key": "none"},
        "w": task(),
    }
    wrong = document(nodes, [("__start__", "r"), ("r:x", "s"), ("s", "__end__")], KEYS)

    paths = [problem.path for problem in validate(wrong) if problem.code == "reference.state"]
    assert paths == ["/nodes/r/input", "/nodes/s/items_key", "/nodes/s/output_key"]


def test_a_send_without_output_key_writes_send_results():
    wrong = document({"s": {"type": "send", "items_key": "log", "target_node": "w"}, "w": task()}, chain("s"), KEYS)

    problem = only(wrong)
    assert (problem.code, problem.path) == ("reference.state", "/nodes/s")
    assert "send_results" in problem.message


def test_the_nearest_state_key_is_the_hint():
    assert only(one(task(output_key="lgo"))).hint == "did you mean `log`?"


def test_what_may_be_missing_need_not_be_declared():
    text = "{{ state.nope | default('x') }}{{ error.message | default('') }}{% if item is defined %}y{% endif %}"

    assert validate(one(task(prompt_template=text, input={"x": {"$expr": "has(state.nope)"}}))) == ()


@pytest.mark.parametrize("text", ["a..b", "[0]", "", "a b"])
def test_a_path_that_is_none_is_a_wrong_type(text):
    problem = only(one(task(output_mapping={"any": text})))

    assert (problem.code, problem.path) == ("document.type", "/nodes/a/output_mapping/any")


# ---- names


@pytest.mark.parametrize("name", ["item", "index", "error", "errors", "output", "foo"])
def test_a_name_that_does_not_exist_here_is_refused(name):
    by_template = only(one(task(prompt_template="{{ " + name + " }}")))
    by_expression = only(one(writes(any={"$expr": name})))

    assert (by_template.code, by_expression.code) == ("reference.name", "reference.name")
    assert f"`{name}`" in by_template.message


def test_a_bare_state_key_leads_to_its_name():
    assert only(one(task(prompt_template="{{ n }}"))).hint == "did you mean `state.n`?"


def test_the_item_exists_in_the_target_of_a_send():
    nodes = {
        "s": {"type": "send", "items_key": "log", "target_node": "w", "output_key": "any"},
        "w": task(prompt_template="{{ index }} {{ item.x }}", input={"i": {"$expr": "item.x + index"}}),
    }

    assert validate(document(nodes, chain("s"), KEYS)) == ()


def test_the_error_exists_in_the_target_of_an_error_edge():
    nodes = {"a": task(), "h": task(prompt_template="{{ error.message }}{{ errors | length }}")}

    assert validate(document(nodes, [*chain("a"), ("a:error", "h"), ("h", "__end__")], KEYS)) == ()


def test_keys_of_the_input_are_declared_in_either_schema():
    schema = {"properties": {"q": {}}, "allOf": [{"properties": {"deep": {}}}, {"$ref": "#/$defs/more"}]}
    schema["$defs"] = {"more": {"properties": {"far": {}}}}
    text = "{{ input.q }}{{ input.n }}{{ input.deep }}{{ input.far }}{{ input.qq }}"

    problem = only(one(task(prompt_template=text), input_schema=schema))
    assert problem.code == "reference.name"
    assert "`qq`" in problem.message


def test_keys_of_meta_are_known():
    assert validate(one(task(prompt_template="{{ meta.run_id }}{{ meta.remaining_steps }}"))) == ()
    assert only(one(task(prompt_template="{{ meta.runid }}"))).hint == "did you mean `run_id`?"


def test_keys_of_the_config_are_not_known_before_a_run():
    assert validate(one(task(prompt_template="{{ config.anything.at.all }}"))) == ()


def test_variables_of_loops_are_names():
    text = "{% for e in state.log %}{{ loop.index }}{{ e.x }}{% endfor %}"

    assert validate(one(task(prompt_template=text, input={"x": {"$expr": "state.log.map(e, e + 'x')"}}))) == ()


# ---- the output of a run


@pytest.mark.parametrize("output", [["n", "log"], {"a": "{{ state.n }}", "b": {"$expr": "state.n"}, "c": 1}, None])
def test_an_output_names_state_keys_or_computes(output):
    assert validate(one(task(), output=output)) == ()


@pytest.mark.parametrize(
    ("output", "code", "path"),
    [
        (["nope"], "reference.state", "/output/0"),
        ({"a": "{{ state.nope }}"}, "reference.state", "/output/a"),
        ({"a": {"$expr": "state.n +"}}, "expression.syntax", "/output/a/$expr"),
        ({"a": "{{ meta.step }}"}, "reference.name", "/output/a"),
    ],
)
def test_an_output_is_checked(output, code, path):
    problem = only(one(task(), output=output))

    assert (problem.code, problem.path) == (code, path)


# ---- syntax and types


def test_a_template_that_cannot_be_read_is_named():
    assert only(one(task(prompt_template="{{ state.n"))).code == "template.syntax"


@pytest.mark.parametrize(("source", "code"), [("state.n >", "expression.syntax"), ("state.n + 'x'", "expression.type")])
def test_an_expression_that_does_not_compile_is_named(source, code):
    wrong = document(
        {"r": route("x", (source, "x")), "x": task()}, [("__start__", "r"), ("r:x", "x"), ("x", "__end__")], KEYS
    )

    problem = only(wrong)
    assert (problem.code, problem.path, problem.node) == (code, "/nodes/r/rules/0/when", "r")


def test_an_expression_of_the_wrong_type_is_looked_through_all_the_same():
    wrong = one(writes(any={"$expr": "state.n + 'x' + state.nope"}))

    assert sorted(problem.code for problem in validate(wrong)) == ["expression.type", "reference.state"]


# ---- values that a key can never take


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (writes(n="x"), "/updates/n"),
        (writes(n={"__overwrite": True, "value": "x"}), "/updates/n"),
        (task(output_key="n", output_schema={"type": "string"}), "/output_key"),
        (task(output_mapping={"s": "a[0]"}, output_schema={"properties": {"a": {"items": {"type": "object"}}}}),
         "/output_mapping/s"),
        ({"type": "interrupt", "output_key": "n", "schema": {"type": "boolean"}}, "/output_key"),
    ],
)  # fmt: skip
def test_a_value_that_a_state_key_can_never_take_is_refused(fields, path):
    problem = only(one(fields))

    assert (problem.code, problem.path, problem.node) == ("mapping.type", f"/nodes/a{path}", "a")


def test_an_update_that_the_reducer_can_never_take_is_refused():
    wrong = document({"a": writes(n="x")}, chain("a"), {"n": {"type": "integer", "reducer": "add"}})

    assert only(wrong).code == "mapping.type"


@pytest.mark.parametrize(
    "fields",
    [
        writes(n=1, s="{{ state.n }}", log="x", any=None),
        writes(n={"$expr": "state.n"}, log=["a", 1]),
        task(output_key="n", output_schema={"type": "number"}),
        task(output_key="n", output_schema={"type": ["integer", "string"]}),
        task(output_key="log", output_schema={"type": "string"}),
        task(output_key="n", output_schema=True),
    ],
)
def test_values_that_a_state_key_may_take_are_left_to_the_run(fields):
    assert validate(one(fields)) == ()


def test_the_results_of_a_send_are_a_list():
    wrong = document(
        {"s": {"type": "send", "items_key": "log", "target_node": "w", "output_key": "s"}, "w": task()},
        chain("s"),
        KEYS,
    )

    assert only(wrong).code == "mapping.type"
