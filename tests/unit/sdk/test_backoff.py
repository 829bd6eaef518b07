"""Waits get longer, and come to an end."""

from __future__ import annotations

from math import inf

from clew._backoff import FIRST_S, LONGEST_S, Backoff


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_up_to_the_longest_until_patience_is_over() -> None:
    clock = Clock()
    backoff = Backoff(60.0, clock)
    waits = []
    while (wait := backoff.next_s()) is not None:
        waits.append(wait)
        clock.now += wait
    assert FIRST_S / 2 <= waits[0] <= FIRST_S
    assert LONGEST_S / 2 <= waits[-1] <= LONGEST_S
    assert 60 - LONGEST_S <= clock.now <= 60


def test_the_longest_wait_may_be_another() -> None:
    backoff = Backoff(inf, longest_s=30.0)
    waits = [backoff.next_s() or 0.0 for _ in range(12)]
    assert 15.0 <= waits[-1] <= 30.0


def test_what_the_server_asks_for_is_the_least_and_counts() -> None:
    clock = Clock()
    backoff = Backoff(4.0, clock)
    assert backoff.next_s(3.0) == 3.0
    clock.now += 3.0
    assert backoff.next_s(3.0) is None


def test_what_has_worked_makes_patience_new() -> None:
    clock = Clock()
    backoff = Backoff(1.0, clock)
    backoff.next_s()
    clock.now += 2.0
    assert backoff.next_s() is None
    backoff.begin()
    assert (backoff.next_s() or 9) <= FIRST_S


def test_without_patience_nothing_is_tried_again() -> None:
    assert Backoff(0.0).next_s() is None
