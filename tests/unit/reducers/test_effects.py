"""What an update does to a place inside a value."""

from __future__ import annotations

from typing import Any

import pytest

from reducers import add, add_messages, append, last_value, max, merge, min
from reducers._effect import Effect

REPLACES, ADDS, NONE = Effect.REPLACES, Effect.ADDS, Effect.NONE
TALK = [{"id": "x", "text": "one"}, {"id": "y", "text": "two"}]


@pytest.mark.parametrize(
    ("reducer", "current", "update", "path", "expected"),
    [
        (last_value, {"a": 1}, 5, ("a",), REPLACES),
        (add, 1, 2, (), ADDS),
        (max, 1, 2, (), REPLACES),
        (max, 2, 2, (), NONE),
        (max, None, 2, (), REPLACES),
        (min, 1, 2, (), NONE),
        (append, ["a"], [], (), NONE),
        (append, ["a"], ["b", "c"], (2, "deep"), REPLACES),
        (append, ["a"], ["b", "c"], (0,), NONE),
        (append, ["a"], ["b", "c"], (3,), NONE),
        (append, None, "b", (0,), REPLACES),
        (merge, {"a": {"b": 1}}, {"a": {"c": 2}}, ("a",), ADDS),
        (merge, {"a": 1}, {"a": {"c": 2}}, ("a",), REPLACES),
        (merge, {"a": {"b": 1}}, {"a": 3}, ("a", "b"), REPLACES),
        (merge, {"a": {"b": 1}}, {"c": 3}, ("a",), NONE),
        (merge, None, {"c": 3}, (), ADDS),
        (add_messages, TALK, {"id": "y", "text": "new"}, ("y", "text"), REPLACES),
        (add_messages, TALK, {"id": "y", "text": "new"}, ("x",), NONE),
        (add_messages, TALK, [], (), NONE),
    ],
)
def test_an_update_has_the_effect_that_its_reducer_says(
    reducer: Any, current: Any, update: Any, path: tuple[str | int, ...], expected: Effect
) -> None:
    assert reducer.effect(current, update, path) is expected


def test_a_message_is_followed_by_its_id_wherever_it_stands() -> None:
    path = add_messages.stable(TALK, (1, "text"))
    assert path == ("y", "text")
    assert add_messages.located(TALK, path) == (1, "text")
    assert add_messages.located(TALK[1:], path) == (0, "text")
    assert add_messages.located(TALK[:1], path) == (1, "text")
    assert add_messages.located(["no message"], path) == (1, "text")


@pytest.mark.parametrize("path", [(), (2,), ("k",)])
def test_a_path_to_no_message_stays_as_it_is(path: tuple[str | int, ...]) -> None:
    assert add_messages.stable(TALK, path) == path
