"""Patches: applied to the one value they give the other, and they are no longer than what changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.codec import canonical
from engine.patch import make_patch

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=3) | st.sampled_from(["", "/", "~", "~1", "a/b", "-"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([-0.0, 0.0, 1.0, 1.5, 2.0**60, 2**60])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4))
STATES = st.dictionaries(KEYS, VALUES, max_size=4)


def patched(value: Any, patch: list[dict[str, Any]]) -> Any:
    """The value with a patch applied, by the letter of RFC 6902: a place that is not there is an error."""
    root = {"": copied(value)}
    for step in patch:
        *path, last = ["", *(part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:])]
        holder: Any = root
        for part in path:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if step["op"] == "add" and isinstance(holder, list):
            assert 0 <= int(last) <= len(holder)
            holder.insert(int(last), copied(step["value"]))
            continue
        key = int(last) if isinstance(holder, list) else last
        if step["op"] == "add":
            assert key not in holder
        else:
            holder[key]  # it has to be there
        if step["op"] == "remove":
            del holder[key]
        else:
            holder[key] = copied(step["value"])
    return root[""]


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    return [copied(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=150)
@given(VALUES, VALUES)
def test_applying_a_patch_gives_the_other_value(before: Any, after: Any) -> None:
    assert canonical(patched(before, make_patch(before, after))) == canonical(after)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])  # slow on a busy machine, and no less right
@given(STATES, KEYS, VALUES, st.data())
def test_a_patch_finds_its_way_back_from_an_edit(state: Any, key: str, value: Any, data: st.DataObject) -> None:
    items = data.draw(st.lists(VALUES, max_size=6))
    cut = data.draw(st.integers(0, 6))
    before = {**state, key: [items, value]}
    after = {**state, key: [items[:cut] + items[cut + 1 :], value]}

    assert canonical(patched(before, make_patch(before, after))) == canonical(after)
    assert canonical(patched(after, make_patch(after, before))) == canonical(before)


@settings(max_examples=30)
@given(VALUES)
def test_a_value_needs_no_patch_to_itself(value: Any) -> None:
    assert make_patch(value, copied(value)) == []


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"n": 1}, {"n": 2}, [("replace", "/n", 2)]),
        ({"n": 1}, {"n": 1.0}, [("replace", "/n", 1.0)]),
        ({"n": 1}, {"n": True}, [("replace", "/n", True)]),
        ({"n": [1, 2]}, {"n": [1, 2.0]}, [("replace", "/n/1", 2.0)]),
        ({"n": 0.0}, {"n": -0.0}, [("replace", "/n", -0.0)]),
        ({"": 1, "a/b": 2, "~": 3}, {"": 2, "a/b": 3, "~": 4}, [
            ("replace", "/", 2), ("replace", "/a~1b", 3), ("replace", "/~0", 4),
        ]),
        ({"log": [1, 2]}, {"log": [1, 2, 3, 4]}, [("add", "/log/2", 3), ("add", "/log/3", 4)]),
        ({"log": [1, 2, 3]}, {"log": [1, 3]}, [("remove", "/log/1", None)]),
        ({"log": [1, 2, 3]}, {"log": [1, 9, 3]}, [("replace", "/log/1", 9)]),
        ({"log": [1, 2, 3, 4]}, {"log": [0, 1, 2, 3, 4]}, [("add", "/log/0", 0)]),
        ({"o": {"k": {"x": 1}, "gone": 1}}, {"o": {"k": {"x": 2, "y": 1}}}, [
            ("remove", "/o/gone", None), ("replace", "/o/k/x", 2), ("add", "/o/k/y", 1),
        ]),
        ({"o": {"a": 1}}, {"o": {"b": 1}}, [("replace", "/o", {"b": 1})]),
        ({"o": [1, 2, 3]}, {"o": [4, 5, 6]}, [("replace", "/o", [4, 5, 6])]),
        ({"o": {"a": 1}}, {"o": [1]}, [("replace", "/o", [1])]),
        ({"o": 1}, {}, [("remove", "/o", None)]),
    ],
)  # fmt: skip
def test_a_patch_says_what_changed_and_no_more(before: Any, after: Any, patch: list[tuple[str, str, Any]]) -> None:
    found = [(step["op"], step["path"], step.get("value")) for step in make_patch(before, after)]
    assert canonical([list(step) for step in found]) == canonical([list(step) for step in patch])


def test_what_is_shared_is_not_looked_at() -> None:
    class Unseen(dict[str, Any]):
        def __eq__(self, other: object) -> bool:
            raise AssertionError("it was compared")

        __hash__ = None  # type: ignore[assignment]

    shared = Unseen(a=1)
    assert make_patch({"a": shared, "n": 1}, {"a": shared, "n": 2}) == [{"op": "replace", "path": "/n", "value": 2}]
