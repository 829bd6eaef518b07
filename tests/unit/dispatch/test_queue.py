"""The order in which waiting tasks are served."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dispatch._choose import Reason
from dispatch._queue import Line


@dataclass(frozen=True)
class Item:
    order: tuple[int, int]


def a_line(*orders: tuple[int, int]) -> Line[Item]:
    line: Line[Item] = Line(Reason.CAPACITY)
    for order in orders:
        line.add(Item(order))
    return line


def test_first_come_first_served():
    line = a_line((0, 3), (0, 1), (0, 2))
    assert [line.take().order[1] for _ in range(3)] == [1, 2, 3]


def test_higher_priority_comes_first():
    line = a_line((0, 1), (-5, 2), (-5, 3))
    assert [line.take().order[1] for _ in range(3)] == [2, 3, 1]


def test_who_left_is_not_served():
    line = a_line((0, 1), (0, 2), (0, 3))
    line.discard(Item((0, 1)))
    line.discard(Item((0, 3)))
    assert ([item.order for item in line], len(line)) == ([(0, 2)], 1)
    assert line.head() == line.take().order == (0, 2)
    with pytest.raises(IndexError):
        line.take()


def test_who_comes_back_has_the_old_place():
    line = a_line((0, 1), (0, 2))
    first = line.take()
    line.add(first)
    assert line.take() == first


def test_those_who_left_are_not_kept():
    line = a_line(*((0, number) for number in range(10_000)))
    for number in range(1, 10_000):
        line.discard(Item((0, number)))
    assert len(line._heap) < 20
    assert [item.order for item in line] == [(0, 0)]


def test_the_order_holds_when_many_have_left():
    line = a_line(*((0, number) for number in (0, 50, 1, *range(51, 100), *range(2, 50))))
    stay = {0, *range(40, 60)}
    for number in set(range(100)) - stay:
        line.discard(Item((0, number)))
    assert [line.take().order[1] for _ in stay] == sorted(stay)
