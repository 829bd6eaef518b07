"""Numbers as text: the shortest form, as RFC 8785 has it."""

from __future__ import annotations

from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis.strategies import floats

from engine.nodes._decimal import shortest


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2.0, "2"), (-2.0, "-2"), (0.0, "0"), (-0.0, "0"), (0.1, "0.1"), (1.25, "1.25"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"), (1e-6, "0.000001"), (1e-7, "1e-7"), (-1.5e-7, "-1.5e-7"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"), (333333333.33333329, "333333333.3333333"),
        (nextafter(1e21, inf), "1.0000000000000001e+21"),
    ],
)  # fmt: skip
def test_a_number_is_as_short_as_can_be(number: float, text: str) -> None:
    assert shortest(number) == text


@given(floats(allow_nan=False, allow_infinity=False))
def test_the_text_is_the_number(number: float) -> None:
    assert float(shortest(number)) == number
