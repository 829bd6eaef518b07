"""The reducers of numbers: add, min and max."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reducers import add, max, min
from reducers._errors import UpdateError

LOWEST, HIGHEST = -(2**63), 2**63 - 1
INTEGERS = st.integers(LOWEST, HIGHEST)
NUMBERS = st.lists(INTEGERS | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=6)


@given(INTEGERS, INTEGERS)
def test_integers_are_added_exactly_or_refused(first, second):
    if LOWEST <= first + second <= HIGHEST:
        total = add.reduce(first, second)
        assert total == first + second
        assert type(total) is int
    else:
        with pytest.raises(UpdateError, match="expected a 64-bit integer"):
            add.reduce(first, second)


def test_an_integer_and_a_float_make_a_float():
    total = add.reduce(2, 0.5)

    assert total == 2.5


def test_a_sum_that_is_no_finite_number_is_refused():
    with pytest.raises(UpdateError, match="finite"):
        add.reduce(1.7e308, 1.7e308)


@pytest.mark.parametrize("reducer", [add, min, max])
@pytest.mark.parametrize("wrong", [True, "1", None, [1]])
def test_what_is_no_number_is_refused(reducer, wrong):
    with pytest.raises(UpdateError, match="update: expected a number"):
        reducer.reduce(1, wrong)


@pytest.mark.parametrize("reducer", [add, min, max])
def test_a_current_value_that_is_no_number_is_refused(reducer):
    with pytest.raises(UpdateError, match="current value: expected a number, got string 'x'"):
        reducer.reduce("x", 1)


@given(NUMBERS)
def test_min_and_max_keep_the_smallest_and_the_largest(numbers):
    lowest = highest = None
    for number in numbers:
        lowest, highest = min.reduce(lowest, number), max.reduce(highest, number)

    assert lowest == sorted(numbers)[0]
    assert highest == sorted(numbers)[-1]


@pytest.mark.parametrize("reducer", [min, max])
def test_of_equal_numbers_the_earlier_stays(reducer):
    assert type(reducer.reduce(1, 1.0)) is int
    assert type(reducer.reduce(1.0, 1)) is float
    assert math.copysign(1, reducer.reduce(0.0, -0.0)) == 1
