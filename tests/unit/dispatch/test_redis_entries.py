"""What Redis says about streams, read as values."""

from __future__ import annotations

import pytest

from dispatch._redis_entries import Entry, Said, entries_claimed, entries_read, floor_of, said_in
from dispatch._redis_wire import pauses

ENTRY = [b"1-0", [b"corr", b"t.s", b"body", b"1"]]
READ = Entry(b"1-0", {b"corr": b"t.s", b"body": b"1"})


def test_entries_come_with_their_fields():
    assert entries_read([[b"stream", [ENTRY, [b"2-0", None]]]]) == [READ, Entry(b"2-0", None)]


@pytest.mark.parametrize("nothing", [None, [], [[b"stream", []]]])
def test_nothing_was_read(nothing):
    assert entries_read(nothing) == []


@pytest.mark.parametrize(
    "reply",
    [[b"3-0", [ENTRY]], [b"3-0", [ENTRY, None]], [b"3-0", [ENTRY], [b"2-0"]]],
    ids=["6.2", "6.2 with a deleted one", "7"],
)
def test_what_was_taken_over_is_read_whatever_the_version(reply):
    assert entries_claimed(reply) == (b"3-0", [READ])


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({b"corr": b"t.s", b"body": b"1"}, "answer"),
        ({b"corr": b"t.s", b"body": b"{}", b"kind": b"progress"}, "progress"),
        ({b"corr": b"t.s", b"kind": b"heartbeat"}, "heartbeat"),
        ({b"corr": b"t.s", b"body": b"1", b"kind": b"answer", b"more": b"x"}, "answer"),
    ],
)
def test_an_entry_says_something_of_a_request(fields, kind):
    assert said_in(fields) == Said(corr="t.s", kind=kind, body=fields.get(b"body", b""))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "corr"),
        ({b"corr": b"", b"body": b"1"}, "corr"),
        ({b"corr": b"\xff", b"body": b"1"}, "corr"),
        ({b"corr": b"x" * 2001, b"body": b"1"}, "corr"),
        ({b"corr": b"t.s", b"body": b"1", b"kind": b"joke"}, "kind"),
        ({b"corr": b"t.s"}, "body"),
        ({b"corr": b"t.s", b"kind": b"progress"}, "body"),
    ],
)
def test_an_entry_that_says_nothing_is_told_why(fields, why):
    said = said_in(fields)
    assert isinstance(said, str)
    assert why in said


@pytest.mark.parametrize(
    ("groups", "floor"),
    [
        ([], None),
        ([(b"9-0", None)], b"9-0"),
        ([(b"10-0", b"9-5")], b"9-5"),
        ([(b"10-0", b"9-12"), (b"10-0", b"9-5")], b"9-5"),
        ([(b"10-0", b"9-5"), (b"0-0", None)], b"0-0"),
    ],
)
def test_a_stream_may_be_cut_below_what_no_group_needs(groups, floor):
    assert floor_of(groups) == floor


def test_pauses_grow_to_their_most():
    found = pauses(0.1, 5.0)
    first, *_, last = [next(found) for _ in range(40)]
    assert 0.05 <= first <= 0.1
    assert 2.5 <= last <= 5.0
