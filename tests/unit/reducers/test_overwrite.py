"""Which update sets a value without its reducer."""

from __future__ import annotations

import pytest

from reducers._overwrite import is_overwrite


@pytest.mark.parametrize("value", [None, 1, [], {"__overwrite": True, "value": 1}])
def test_an_overwrite_is_known_by_its_two_keys(value):
    assert is_overwrite({"__overwrite": True, "value": value})


@pytest.mark.parametrize(
    "update",
    [
        {"__overwrite": True},
        {"__overwrite": False, "value": 1},
        {"__overwrite": 1, "value": 1},
        {"__overwrite": True, "value": 1, "more": 2},
        {"__overwrite": True, "other": 1},
        {"value": 1},
        [],
        "__overwrite",
        None,
    ],
    ids=str,
)
def test_anything_else_is_an_update(update):
    assert not is_overwrite(update)
