"""The order of commits and events of all runs."""

from __future__ import annotations

from typing import Any

from engine.driver.everything import PAGE, in_order
from engine.driver.log import Position
from engine.ports import LoggedCommit, LoggedEvent
from tests.contract.samples import commit, event


def commits(*places: int) -> list[LoggedCommit]:
    return [LoggedCommit(place=place, row=commit(1, place), before=None) for place in places]


def events(*pairs: tuple[int, int]) -> list[LoggedEvent]:
    return [LoggedEvent(place=place, row=event(1, place), follows=follows, status=None) for place, follows in pairs]


def order(*given: Any) -> list[str]:
    found = in_order(given[0], given[1], given[2] if len(given) > 2 else Position())
    return [f"{'c' if isinstance(row, LoggedCommit) else 'e'}{row.place}" for row in found]


def test_an_event_comes_after_the_commit_that_it_follows_and_before_the_next() -> None:
    assert order(commits(1, 2, 3), events((1, 0), (2, 2), (3, 3))) == ["e1", "c1", "c2", "e2", "c3", "e3"]


def test_an_event_waits_for_a_commit_that_was_not_read() -> None:
    assert order(commits(1), events((1, 1), (2, 2))) == ["c1", "e1"]


def test_no_commit_is_told_before_events_that_were_not_read() -> None:
    full = [(place, 1) for place in range(1, PAGE + 1)]
    assert order(commits(1, 2), events(*full)) == ["c1", *(f"e{place}" for place in range(1, PAGE + 1))]


def test_what_was_told_in_part_comes_first() -> None:
    assert order(commits(5, 6), events((3, 0)), Position(5, 2, 4)) == ["c5", "e3", "c6"]
    assert order(commits(6), events((3, 5), (4, 0)), Position(5, 3, 0, 1)) == ["e3", "e4", "c6"]
