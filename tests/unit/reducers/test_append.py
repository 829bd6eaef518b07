"""Lists are collected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reducers import append
from reducers._errors import UpdateError

LISTS = st.lists(st.integers() | st.lists(st.integers(), max_size=2) | st.none(), max_size=5)


@pytest.mark.parametrize(
    ("update", "expected"),
    [(1, [0, 1]), ([2, [3]], [0, 2, [3]]), ({"k": None}, [0, {"k": None}]), (None, [0, None]), ([], [0])],
)
def test_a_value_is_pushed_and_an_array_concatenated_by_one_level(update, expected):
    assert append.reduce([0], update) == expected


@given(LISTS, LISTS, LISTS)
def test_appending_in_batches_gives_the_same_list(current, first, second):
    assert append.reduce(append.reduce(current, first), second) == append.reduce(current, first + second)


def test_the_new_list_shares_its_items():
    item = {"large": True}

    assert append.reduce([item], 1)[0] is item


def test_a_current_value_that_is_no_array_is_refused():
    with pytest.raises(UpdateError, match="expected an array, got integer 5"):
        append.reduce(5, 1)
