"""What a server says of its rate limit in the headers of a response."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dispatch._reply import LONGEST_WAIT_MS, retry_after_ms

_KINDS = ("-requests", "-tokens", "")  # the last: servers that count one thing only
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS = (3_600_000, 60_000, 1_000, 1)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_EPOCH_S, _EPOCH_MS = 1e9, 1e12  # a number that is as large is no duration but a time


def rate_limit_of(headers: Mapping[str, str], now: int) -> dict[str, int] | None:
    """`remaining`, `limit` and `reset_ms`, as far as they are told; of requests and tokens that of which nothing is
    left, else that of requests. `now` in milliseconds since the epoch."""
    told = [found for kind in _KINDS if (found := _told(headers, kind, now))]
    return next((found for found in told if found.get("remaining") == 0), told[0] if told else None)


def wait_of(headers: Mapping[str, str], now: int) -> int | None:
    """How long a server wants us to wait, in milliseconds: what it says, or until something is left again."""
    exact = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(exact):
        return min(round(float(exact)), LONGEST_WAIT_MS)
    if (wait := retry_after_ms(headers.get("Retry-After"), now)) is not None:
        return wait
    limit = rate_limit_of(headers, now) or {}
    return limit.get("reset_ms") if limit.get("remaining") == 0 else None


def _told(headers: Mapping[str, str], kind: str, now: int) -> dict[str, int]:
    names = {name: f"x-ratelimit-{name}{kind}" for name in ("remaining", "limit")}
    found = {name: int(float(text)) for name, of in names.items() if _NUMBER.fullmatch(text := _value(headers, of))}
    reset = reset_ms(_value(headers, f"x-ratelimit-reset{kind}"), now)
    return found if reset is None else found | {"reset_ms": reset}


def _value(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").strip()


def reset_ms(text: str, now: int) -> int | None:
    """The milliseconds of `6m0s`, `20ms`, a number of seconds, or a time since the epoch; None for anything else."""
    if _NUMBER.fullmatch(text):
        number = float(text)
        wait = number * 1000 if number < _EPOCH_S else (number if number >= _EPOCH_MS else number * 1000) - now
    elif text and (found := _DURATION.fullmatch(text)):
        wait = sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)
    else:
        return None
    return min(max(round(wait), 0), LONGEST_WAIT_MS)
