"""Objects are merged deeply."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reducers import merge
from reducers._errors import UpdateError

OBJECTS = st.recursive(
    st.dictionaries(
        st.sampled_from("abc"), st.none() | st.integers() | st.lists(st.integers(), max_size=2), max_size=3
    ),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | st.integers(), max_size=3),
    max_leaves=6,
)


def test_objects_merge_deeply_and_everything_else_replaces():
    current = {"p": {"x": 1}, "arr": [1, 2], "z": 5, "keep": True}

    merged = merge.reduce(current, {"p": {"y": 2}, "arr": [9], "z": None})

    assert merged == {"p": {"x": 1, "y": 2}, "arr": [9], "z": None, "keep": True}


def test_an_object_replaces_a_scalar_and_a_scalar_an_object():
    assert merge.reduce({"a": 1, "b": {"c": 1}}, {"a": {"c": 1}, "b": 1}) == {"a": {"c": 1}, "b": 1}


@settings(max_examples=40)
@given(OBJECTS, OBJECTS)
def test_merging_twice_changes_nothing_more(current, update):
    once = merge.reduce(current, update)

    assert merge.reduce(once, update) == once


@settings(max_examples=40)
@given(OBJECTS, OBJECTS)
def test_every_scalar_of_the_update_is_in_the_result(current, update):
    merged = merge.reduce(current, update)

    assert all(merged[key] == value for key, value in update.items() if not isinstance(value, dict))


@pytest.mark.parametrize(("current", "update"), [({}, [1]), ({}, None), ([1], {})])
def test_what_is_no_object_is_refused(current, update):
    with pytest.raises(UpdateError, match="expected an object"):
        merge.reduce(current, update)
