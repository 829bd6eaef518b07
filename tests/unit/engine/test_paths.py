"""Paths are parsed, looked up and written out."""

from __future__ import annotations

from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.missing import MISSING
from engine.paths import PathError, dotted, lookup, parse_path, state_path

KEYS = st.text(st.characters(exclude_characters=".[]{}\"'/", exclude_categories=["Z", "C"]), min_size=1)
PATHS = st.builds(lambda key, rest: (key, *rest), KEYS, st.lists(KEYS | st.integers(0, 999), max_size=4))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b[0].c", ("a", "b", 0, "c")),
        ("a[0][12]", ("a", 0, 12)),
        ("state.a", ("state", "a")),
        ("a-b.ü", ("a-b", "ü")),
        ("l.0", ("l", "0")),
        ("/a", ("a",)),
        ("/a/b/0/c", ("a", "b", 0, "c")),
        ("/a~1b/~01/01/x y", ("a/b", "~1", "01", "x y")),
    ],
)
def test_keys_are_joined_by_dots_and_indexes_stand_in_brackets(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a[-1]", "a[0", "a.[0]", "a b", "a['b']", "{{ a }}", "a[0]b"],
)
def test_a_text_that_is_no_path_is_refused(text):
    with pytest.raises(PathError, match="no path"):
        parse_path(text)


@pytest.mark.parametrize("text", ["/", "//a", "/a/", "/a~2", "/a~"])
def test_what_is_no_pointer_to_something_is_refused(text):
    with pytest.raises(PathError, match="no part of a JSON Pointer"):
        parse_path(text)


@settings(max_examples=40)
@given(PATHS)
def test_a_path_written_out_is_read_back(path):
    assert parse_path(dotted(path)) == path


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("state.a.b", ("a", "b")),
        ("a.b", ("a", "b")),
        ("state", ("state",)),
        ("state.state", ("state",)),
        ("/state/a", ("a",)),
    ],
)
def test_the_leading_state_may_be_left_out(text, path):
    assert state_path(text) == path


VALUE = {"a": {"b": [1, {"c": None}]}, "items": 5}


@pytest.mark.parametrize(
    ("path", "found"), [(("a", "b", 0), 1), (("a", "b", 1, "c"), None), (("items",), 5), ((), VALUE)]
)
def test_a_lookup_finds_what_stands_there(path, found):
    assert lookup(VALUE, path) == found


@pytest.mark.parametrize(
    "path", [("x",), ("a", "x"), ("a", "b", 2), ("a", "b", "c"), ("a", 0), ("items", "x"), ("a", "b", 0, 0), ("keys",)]
)
def test_a_lookup_of_nothing_gives_missing(path):
    assert lookup(VALUE, path) is MISSING


def test_a_lookup_gives_the_value_itself():
    assert lookup(VALUE, ("a", "b")) is VALUE["a"]["b"]


def test_a_text_has_no_indexes():
    assert lookup({"s": "abc"}, ("s", 0)) is MISSING


def test_a_lookup_goes_through_any_mapping():
    assert lookup(MappingProxyType({"a": 1}), ("a",)) == 1
