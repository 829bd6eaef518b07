"""When a failed attempt is tried again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retry import RetryPolicy, next_delay_ms

THREE = RetryPolicy(max_attempts=3, initial_interval_ms=100, backoff_factor=3, max_interval_ms=250)


def test_without_a_policy_there_is_one_attempt():
    assert next_delay_ms(RetryPolicy(), 1, "any", None, 0.5) is None


@pytest.mark.parametrize(("attempt", "delay"), [(1, 100), (2, 250), (3, None), (4, None)])
def test_delays_grow_by_the_factor_up_to_the_longest(attempt, delay):
    assert next_delay_ms(THREE, attempt, "any", None, 0.0) == delay


def test_the_defaults_are_a_second_doubled_up_to_a_minute():
    policy = RetryPolicy(max_attempts=100)

    assert [next_delay_ms(policy, attempt, "any", None, 0.9) for attempt in (1, 2, 6, 7, 99)] == [
        1000,
        2000,
        32_000,
        60_000,
        60_000,
    ]


def test_an_error_that_says_that_it_is_final_is_not_tried_again():
    assert next_delay_ms(THREE, 1, "any", False, 0.0) is None
    assert next_delay_ms(THREE, 1, "any", True, 0.0) == 100


def test_only_the_codes_of_retry_on_are_tried_again():
    policy = RetryPolicy(max_attempts=2, retry_on=("http.503",))

    assert next_delay_ms(policy, 1, "http.503", None, 0.0) == 1000
    assert next_delay_ms(policy, 1, "http.500", True, 0.0) is None
    assert next_delay_ms(RetryPolicy(max_attempts=2, retry_on=()), 1, "http.503", None, 0.0) is None


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 1000), (0.5, 750), (0.999, 500)])
def test_chance_takes_off_at_most_the_jitter(chance, delay):
    policy = RetryPolicy(max_attempts=2, jitter=0.5)

    assert next_delay_ms(policy, 1, "any", None, chance) == pytest.approx(delay, abs=1)


@given(
    attempt=st.integers(1, 10**6),
    factor=st.floats(1, 1e300),
    jitter=st.floats(0, 1),
    chance=st.floats(0, 1, exclude_max=True),
)
def test_a_delay_is_never_negative_and_never_longer_than_the_longest(attempt, factor, jitter, chance):
    policy = RetryPolicy(max_attempts=10**7, backoff_factor=factor, jitter=jitter)

    assert 0 <= next_delay_ms(policy, attempt, "any", None, chance) <= policy.max_interval_ms
