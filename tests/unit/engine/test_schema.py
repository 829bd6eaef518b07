"""What a schema accepts, and what is no schema."""

from __future__ import annotations

import pytest

from engine.schema import MAX_PROBLEMS, SchemaInvalid, compile_schema

ANSWER = compile_schema(
    {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "a/b": {"type": "array", "items": {"type": "integer"}}},
        "required": ["ok"],
        "additionalProperties": False,
    }
)


def test_a_valid_value_is_accepted_and_has_no_problems():
    assert ANSWER.accepts({"ok": True, "a/b": [1]})
    assert ANSWER.problems({"ok": True, "a/b": [1]}) == ()


def test_all_problems_come_at_once_with_pointers():
    problems = ANSWER.problems({"a/b": ["x", 1, 1.5], "z": 1})

    assert not ANSWER.accepts({"a/b": ["x", 1, 1.5], "z": 1})
    assert sorted(problem.path for problem in problems) == ["", "", "/a~1b/0", "/a~1b/2"]
    assert any("'z' was unexpected" in problem.message for problem in problems)


def test_a_problem_says_what_was_expected_and_what_came():
    (problem,) = compile_schema({"type": "integer"}).problems("seven")

    assert problem.path == ""
    assert problem.message == '"seven" is not of type "integer"'


def test_problems_stay_short_and_few_for_a_large_value():
    text = compile_schema({"type": "integer"}).problems("y" * 100_000)
    many = compile_schema({"items": {"type": "integer"}}).problems(["x"] * 1000)

    assert len(text[0].message) < 400
    assert text[0].message.endswith('is not of type "integer"')
    assert len(many) == MAX_PROBLEMS


@pytest.mark.parametrize(
    ("value", "accepted"), [(2**53 + 1, True), (5.0, True), (-1, True), (5.5, False), (True, False)]
)
def test_a_number_without_a_fraction_is_an_integer(value, accepted):
    assert compile_schema({"type": "integer"}).accepts(value) is accepted


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"properties": {"a": {"type": 5}}},
        {"required": "a"},
        {"minimum": "x"},
        {"pattern": "(a+"},
        {"$ref": "#/$defs/b"},
        {"$ref": "other.json"},
        7,
        None,
        [],
        "{}",
    ],
    ids=str,
)
def test_what_is_no_schema_is_invalid(schema):
    with pytest.raises(SchemaInvalid):
        compile_schema(schema)


def test_an_invalid_schema_says_where():
    with pytest.raises(SchemaInvalid, match="/properties/a/type"):
        compile_schema({"properties": {"a": {"type": 5}}})


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "https://example.com/x", "file:///etc/passwd"])
@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
def test_other_documents_are_never_fetched(address, keyword):
    with pytest.raises(SchemaInvalid, match="never fetched"):
        compile_schema({keyword: address})


def test_not_even_a_file_that_is_a_schema_is_read(tmp_path):
    (tmp_path / "true.json").write_text("true")

    with pytest.raises(SchemaInvalid, match="never fetched"):
        compile_schema({"$ref": f"file://{tmp_path}/true.json"})


def test_references_within_the_schema_hold():
    tree = compile_schema(
        {
            "$ref": "#/$defs/tree",
            "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}},
        }
    )

    assert tree.accepts({"a": {"b": {}}})
    assert not tree.accepts({"a": {"b": 1}})


def test_unknown_keywords_are_ignored():
    assert compile_schema({"type": "array", "reducer": "append", "ephemeral": True, "label": "x"}).accepts([])


def test_true_accepts_everything_and_false_nothing():
    assert compile_schema(True).accepts(None)
    assert not compile_schema(False).accepts(None)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a|aa)+(?!c)$", r"(?:(a+)+)\1$"])
def test_a_pattern_that_would_take_for_ever_does_not_match(pattern):
    assert not compile_schema({"pattern": pattern}).accepts("a" * 5000 + "b")


SIZED = {
    "properties": {
        "size": {"properties": {"width": {"default": 1}, "height": {"default": None}}, "default": {"height": 2}},
        "name": {"default": "x"},
        "other": True,
    }
}


@pytest.mark.parametrize(
    ("value", "completed"),
    [
        ({}, {"size": {"height": 2, "width": 1}, "name": "x"}),
        ({"name": None, "size": {}}, {"name": None, "size": {"width": 1, "height": None}}),
        ({"size": "large"}, {"size": "large", "name": "x"}),
        ([], []),
    ],
)
def test_defaults_fill_in_what_is_missing_at_any_depth(value, completed):
    assert compile_schema(SIZED).completed(value) == completed
    assert SIZED["properties"]["size"]["default"] == {"height": 2}


def test_a_value_to_which_nothing_is_added_stays_itself():
    whole = {"size": {"width": 3, "height": 3}, "name": "y"}
    assert compile_schema(SIZED).completed(whole) is whole
    assert compile_schema({"properties": {"a": {"type": "string"}}}).completed(whole) is whole
