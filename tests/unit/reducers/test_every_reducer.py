"""What holds for every reducer, also for one that is added later: these tests find it by its name."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from engine.missing import MISSING
from engine.plugins import reducer, reducer_names
from reducers._effect import Effect
from reducers._errors import UpdateError

SAMPLES: dict[str, tuple[Any, Any]] = {
    "array": ([{"id": "1", "text": "a"}], [{"id": "1", "text": "b"}, {"id": "2"}]),
    "object": ({"a": {"b": 1}}, {"a": {"c": [2]}}),
    "integer": (5, 7),
    "number": (1.5, -2),
    "string": ("old", "new"),
}
TYPES = {"array", "object", "integer", "number", "string", "boolean", "null"}
CASES = [(name, kind) for name in reducer_names() for kind in SAMPLES if kind in (reducer(name).types or SAMPLES)]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_reducer_changes_neither_the_value_nor_the_update(name, kind):
    current, update = SAMPLES[kind]
    before = orjson.dumps([current, update])

    reducer(name).reduce(current, update)

    assert orjson.dumps([current, update]) == before


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_reducer_takes_its_first_update_without_a_value(name, kind):
    result = reducer(name).reduce(None, SAMPLES[kind][1])

    assert type(result) is type(SAMPLES[kind][1])


@pytest.mark.parametrize("name", [name for name in reducer_names() if reducer(name).empty is not MISSING])
def test_the_empty_value_stands_for_an_absent_one(name):
    one = reducer(name)

    for kind in one.types or SAMPLES:
        assert one.reduce(one.empty, SAMPLES[kind][1]) == one.reduce(None, SAMPLES[kind][1])


@pytest.mark.parametrize("name", reducer_names())
def test_the_types_are_those_of_json_schema(name):
    assert reducer(name).types is None or set(reducer(name).types) <= TYPES


@pytest.mark.parametrize("name", [name for name in reducer_names() if reducer(name).types])
@pytest.mark.parametrize("wrong", [True, "text", None, {"a": 1}], ids=str)
def test_a_value_of_another_type_is_refused_or_kept_whole(name, wrong):
    kept = {"array": [wrong], "object": wrong}

    try:
        result = reducer(name).reduce(None, wrong)
    except UpdateError as error:
        assert "expected" in str(error)
        assert "got" in str(error)
    else:
        assert any(result == kept.get(kind) for kind in reducer(name).types)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_an_update_that_changes_the_value_has_an_effect_on_it(name, kind):
    current, update = SAMPLES[kind]
    one = reducer(name)
    for given in (update, current, [] if kind == "array" else current):
        assert one.effect is not None
        if one.reduce(current, given) != current:
            assert one.effect(current, given, ()) is not Effect.NONE


UPDATES: dict[str, list[Any]] = {
    "array": [
        [{"id": "1", "text": "c"}], {"id": "3"}, {"id": "2", "remove": True}, [{"id": "2"}, {"id": "4"}], [],
        {"id": "3", "text": "d"}, {"text": "no id"},
    ],
    "object": [{"a": {"c": 3}}, {"a": 5}, {"a": {"d": {"e": 1}}}, {"a": {"d": {"f": 2}}, "b": {}}, {"b": {"g": []}}],
}  # fmt: skip


@pytest.mark.parametrize(("name", "kind"), [(n, kind) for n, kind in CASES if reducer(n).fold and kind in UPDATES])
@pytest.mark.parametrize("start", [True, False])
def test_a_fold_is_one_update_after_the_other_and_changes_none_of_them(name, kind, start):
    one, updates = reducer(name), [SAMPLES[kind][1], *UPDATES[kind]]
    current = SAMPLES[kind][0] if start else None
    before = orjson.dumps([current, updates])
    expected = current
    for update in updates:
        expected = one.reduce(expected, update)

    assert one.fold is not None
    made = one.fold(current)
    for update in updates:
        made.add(update)
    assert made.value == expected
    assert orjson.dumps([current, updates]) == before


@pytest.mark.parametrize(("name", "kind"), [(n, kind) for n, kind in CASES if reducer(n).fold and kind in UPDATES])
@pytest.mark.parametrize("start", [True, False])
def test_a_fold_takes_several_updates_as_it_takes_each(name, kind, start):
    one, updates = reducer(name), [SAMPLES[kind][1], *UPDATES[kind], *UPDATES[kind]]
    current, at = SAMPLES[kind][0] if start else None, 0
    before = orjson.dumps([current, updates])
    assert one.fold is not None
    expected, made = one.fold(current), one.fold(current)
    for update in updates:
        expected.add(update)
    while (at := made.extend(updates, at)) < len(updates):
        made.add(updates[at])
        at += 1

    assert made.value == expected.value
    assert made.extend([{"__overwrite": True, "value": []}], 0) == 0
    assert orjson.dumps([current, updates]) == before


@pytest.mark.parametrize("name", [name for name in reducer_names() if reducer(name).fold])
def test_a_fold_refuses_what_the_reducer_refuses(name):
    one = reducer(name)

    assert one.fold is not None
    with pytest.raises(UpdateError):
        one.fold("a value of another type")


@pytest.mark.parametrize(("name", "wrong"), [("merge", [1]), ("add_messages", [{"id": "9"}, 5])])
def test_a_fold_is_not_changed_by_what_it_refuses(name, wrong):
    one = reducer(name)
    assert one.fold is not None
    made = one.fold(None)
    made.add({"id": "1"})

    with pytest.raises(UpdateError):
        made.add(wrong)

    assert made.value == one.reduce(None, {"id": "1"})
