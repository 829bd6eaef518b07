"""Whatever an import is given, it ends with a report or a refusal, and changes nothing of what it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from engine.errors import Invalid
from engine.foreign import convert, formats
from engine.parse import load
from tests.unit.importers.samples import NAMES, sample

SAMPLES = [sample(name) for name in NAMES]
REFUSALS = {"format.unknown", "format.unreadable"}


def words(value: Any) -> Iterator[str]:
    """Every key and every text in a value."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from words(inner)
    if isinstance(value, str):
        yield value


TEXTS = st.sampled_from(
    [
        *sorted({word for found in SAMPLES for word in words(found)}),
        "__start__", "__end__", "error", "", ":", "{{ x }}", "{%", "@a.#b.results.x", "#reader.results", "@delivery",
    ]
) | st.text(max_size=5)  # fmt: skip
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a value but the whole."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """The value with another one in one place."""
    if not path:
        return new
    key, *rest = path
    if isinstance(value, dict):
        return {name: replaced(inner, tuple(rest), new) if name == key else inner for name, inner in value.items()}
    return [replaced(inner, tuple(rest), new) if place == key else inner for place, inner in enumerate(value)]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What stands in a place."""
    for key in path:
        value = value[key]
    return value


@st.composite
def documents(draw: DrawFn) -> Any:
    """A sample in which up to four places hold something else, often what stands in another place."""
    found = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(found))
        if known:
            new = draw(VALUES | st.sampled_from(known).map(lambda path, value=found: at(value, path)))
            found = replaced(found, draw(st.sampled_from(known)), new)
    return found


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents() | st.dictionaries(TEXTS, VALUES, max_size=6) | VALUES, st.none() | st.sampled_from(formats()))
def test_an_import_ends_with_a_report_or_a_refusal(document: Any, format: str | None) -> None:
    before = json.dumps(document)
    try:
        found = convert(document, format)
    except Invalid as error:
        assert error.reason in REFUSALS
        return
    report = found.report()
    assert json.dumps(document) == before
    assert json.loads(json.dumps(report)) == report
    if found.valid:
        assert load(found.document, "w", 1).edges
    else:
        assert report["errors"] or any(note["severity"] == "error" for note in report["unmapped"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_what_comes_in_valid_comes_in_the_same_again(document: Any) -> None:
    try:
        found = convert(document)
    except Invalid:
        return
    if found.valid:
        assert convert(found.document, "nullboiler").document == found.document
