"""Where values come from: commits in few words, and values that stand whole when that is less."""

from __future__ import annotations

from typing import Any

import pytest

from engine.codec import write
from engine.model import Ref, make_ref
from engine.sources import SMALL, Source, Sources, Span, kept_at
from tests.builders import document, graph_of, writes

STATE: dict[str, Any] = {
    "log": {"type": "array", "reducer": "append"},
    "last": {},
    "n": {"type": "number", "reducer": "add"},
}
KEYS = graph_of(document({"a": writes(n=1)}, [("__start__", "a"), ("a", "__end__")], STATE)).state
HERE = make_ref(3, 90)


def refs(*numbers: int, run: int = 3) -> list[Ref]:
    return [make_ref(run, number) for number in numbers]


@pytest.mark.parametrize(
    ("numbers", "spans"),
    [
        (refs(), 0),
        (refs(5), 1),
        (refs(5, 7, 9, 11), 1),
        (refs(5, 7, 9, 12, 15, 18), 2),
        (refs(9, 5, 1), 3),
        ([*refs(5, 6, run=2), *refs(1, 2, 3)], 2),
    ],
)
def test_the_commits_of_a_loop_are_one_span(numbers, spans):
    source = Source()

    for ref in numbers:
        source.add(ref)

    assert list(source.refs()) == numbers
    assert len(source.spans) == spans


def test_a_commit_that_writes_a_key_twice_counts_once():
    source = Source()

    for ref in refs(1, 1, 2, 2):
        source.add(ref)

    assert source.spans == [Span(make_ref(3, 1), 2, 1)]


def test_nothing_is_left_of_a_value_that_was_overwritten():
    sources = Sources(KEYS)

    for name, updates in {"log": ["x", {"__overwrite": True, "value": []}, "y"], "last": ["x", "y", "z"]}.items():
        sources.trace(name, zip(refs(1, 2, 3), updates, strict=True))

    assert [list(sources.of(name).refs()) for name in ("log", "last")] == [refs(2, 3), refs(3)]


def kept(value: Any, heft: int, size: int = 0) -> tuple[bool, int, int]:
    """Whether a value stands whole in a snapshot, how much of it is paid for, and how large it is taken to be then."""
    sources = Sources(KEYS, {"last": Source(make_ref(3, 1), [Span(make_ref(3, 2))], size, heft)})
    found = kept_at(HERE, sources, {"last": value})
    return "last" in found.whole, found.paid, found.sources["last"].size


LARGE = "x" * 10_000
WEIGHT = len(write(LARGE))


@pytest.mark.parametrize(
    ("value", "heft", "size", "expected"),
    [
        ("small", 10, 0, (True, 0, 7)),
        ("small", 10 * SMALL, 0, (True, 0, 7)),
        (LARGE, WEIGHT, 0, (False, 0, WEIGHT)),
        (LARGE, 3 * WEIGHT, WEIGHT, (False, 0, WEIGHT)),
        (LARGE, 3 * WEIGHT + 1, WEIGHT, (True, WEIGHT, WEIGHT)),
        (LARGE, 0, -1, (False, 0, WEIGHT)),
    ],
    ids=["small", "was large", "grown", "outgrown soon", "outgrown", "not known"],
)
def test_a_value_stands_whole_where_it_is_small_or_outweighed(value, heft, size, expected):
    assert kept(value, heft, size) == expected


def test_a_large_value_is_not_measured_at_each_snapshot(monkeypatch):
    monkeypatch.setattr("engine.sources.write", lambda value: pytest.fail("it is written"))

    assert kept(LARGE, 2 * WEIGHT, WEIGHT) == (False, 0, WEIGHT)


def test_what_is_not_made_of_single_commits_stands_whole_once_and_is_followed_again():
    sources = Sources(KEYS)
    sources.trace("log", [(make_ref(3, 1), "x")])
    sources.lose("log")
    sources.trace("log", [(make_ref(3, 2), "y")])
    found = kept_at(HERE, sources, {"log": [LARGE]})
    sources.keep(found)
    sources.trace("log", [(make_ref(3, 91), "z")])

    assert (set(found.whole), found.paid) == ({"log"}, 0)
    assert (sources.of("log").base, list(sources.of("log").refs())) == (HERE, refs(91))
