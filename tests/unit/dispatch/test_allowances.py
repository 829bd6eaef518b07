"""How many tasks a worker is sent by what it says of its rate limit."""

from __future__ import annotations

from dispatch._allowances import LONGEST_MS, UNSAID_MS, Allowances
from engine.answer import RateLimit
from tests.unit.dispatch.builders import FakeLater

W = "w1"


def allowances(later: FakeLater, back: list[str] | None = None) -> Allowances:
    return Allowances(later, lambda: back.append("back") if back is not None else None)


def left_alone(found: Allowances, *times: int) -> list[bool]:
    """Whether the worker gets nothing more, after each task that it is sent."""
    told = []
    for now in times:
        found.sent(W, now)
        told.append(W in found.spent)
    return told


def test_what_is_sent_after_a_report_counts_against_what_that_left():
    later = FakeLater()
    found = allowances(later)
    assert not found.report(W, RateLimit(remaining=2, reset_ms=3000), 1000)
    assert left_alone(found, 1100, 1500) == [False, True]
    assert later.pending == [2.5]


def test_it_is_asked_again_once_its_limit_is_reset():
    later, back = FakeLater(), list[str]()
    found = allowances(later, back)
    found.report(W, RateLimit(remaining=1, reset_ms=3000), 0)
    found.sent(W, 0)
    later.fire()
    assert (back, W in found.spent, left_alone(found, 3000, 3001)) == (["back"], False, [False, False])


def test_a_report_whose_time_is_over_counts_no_more():
    found = allowances(FakeLater())
    found.report(W, RateLimit(remaining=1, reset_ms=3000), 0)
    assert left_alone(found, 3000, 3001) == [False, False]


def test_a_later_report_takes_the_place_of_the_one_before():
    later = FakeLater()
    found = allowances(later)
    found.report(W, RateLimit(remaining=1, reset_ms=3000), 0)
    found.sent(W, 0)
    assert found.report(W, RateLimit(remaining=1, reset_ms=3000), 10)
    assert (W in found.spent, later.pending) == (False, [])
    assert left_alone(found, 11) == [True]


def test_with_nothing_left_it_is_left_alone_at_once():
    later = FakeLater()
    found = allowances(later)
    assert found.report(W, RateLimit(remaining=0, reset_ms=3000), 0)
    assert not found.report(W, RateLimit(remaining=0, reset_ms=2000), 5)
    assert later.pending == [2.0]


def test_a_limit_that_says_not_when_it_is_reset_counts_for_a_minute():
    later = FakeLater()
    found = allowances(later)
    found.report(W, RateLimit(remaining=0), 0)
    assert later.pending == [UNSAID_MS / 1000] == [60.0]
    found.report(W, RateLimit(remaining=1), 0)
    assert left_alone(found, 20_000) == [True]
    assert later.pending == [40.0]


def test_a_limit_counts_for_an_hour_at_most():
    later = FakeLater()
    allowances(later).report(W, RateLimit(remaining=0, reset_ms=30 * LONGEST_MS), 0)
    assert later.pending == [3600.0]


def test_a_limit_that_is_reset_already_or_says_not_what_is_left_limits_nothing():
    later = FakeLater()
    found = allowances(later)
    found.report(W, RateLimit(remaining=0, reset_ms=0), 0)
    assert left_alone(found, 0) == [False]
    found.report(W, RateLimit(limit=1, reset_ms=5000), 0)
    assert (left_alone(found, 0, 1), later.pending) == ([False, False], [])


def test_who_has_said_nothing_is_not_limited():
    assert left_alone(allowances(FakeLater()), 0, 1) == [False, False]


def test_what_was_said_goes_with_its_worker():
    later = FakeLater()
    found = allowances(later)
    found.report(W, RateLimit(remaining=0, reset_ms=3000), 0)
    found.keep({W})
    kept = (set(found.rates), later.pending)
    found.keep({"w2"})
    assert (kept, found.rates, W in found.spent, later.pending) == (({W}, [3.0]), {}, False, [])


def test_after_its_end_no_timer_is_left():
    later = FakeLater()
    found = allowances(later)
    found.report(W, RateLimit(remaining=0, reset_ms=3000), 0)
    found.close()
    found.report(W, RateLimit(remaining=0, reset_ms=3000), 0)
    assert later.pending == []
