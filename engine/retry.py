"""When a failed attempt is tried again: a policy and the attempt decide, chance is given by the caller."""

from __future__ import annotations

from engine.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon to try again (language 3.3).

    `jitter` is the largest part of a delay, from 0 to 1, that chance may take off it. `retry_on` are the codes of the
    errors that are tried again, None for all.
    """

    max_attempts: int = 1
    initial_interval_ms: int = 1000
    backoff_factor: float = 2.0
    max_interval_ms: int = 60_000
    jitter: float = 0.0
    retry_on: tuple[str, ...] | None = None


def next_delay_ms(policy: RetryPolicy, attempt: int, code: str, retryable: bool | None, chance: float) -> int | None:
    """The milliseconds to wait after failed attempt number `attempt` (from 1), or None for no further attempt.

    `retryable` is what the error says of itself (None: nothing, so that it makes sense); `chance` is in [0, 1).
    """
    if attempt >= policy.max_attempts or retryable is False:
        return None
    if policy.retry_on is not None and code not in policy.retry_on:
        return None
    return round(_interval(policy, attempt) * (1 - policy.jitter * chance))


def _interval(policy: RetryPolicy, attempt: int) -> float:
    try:
        interval = policy.initial_interval_ms * float(policy.backoff_factor) ** (attempt - 1)
    except OverflowError:
        return policy.max_interval_ms
    return min(interval, policy.max_interval_ms)
