"""What node fields of other systems say: retries, times, joins, schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.importers._notes import Notes
from engine.importers._source import Source, in_snake
from engine.nodes._common import MILLISECONDS
from engine.schema import SchemaInvalid, compile_schema

MOST_MS = int(MILLISECONDS["maximum"])
MOST_ATTEMPTS = 1_000_000

FACTORS: Mapping[str, int] = {
    "ms": 1, "millis": 1, "milliseconds": 1, "s": 1000, "sec": 1000, "secs": 1000, "seconds": 1000,
    "minutes": 60_000, "hours": 3_600_000,
}  # fmt: skip
"""Milliseconds by the last word of a name."""

ATTEMPTS = ("max_attempts", "attempts", "maximum_attempts")
INITIAL = ("initial_interval", "initial_delay", "backoff", "delay", "interval", "initial", "initial_backoff")
HIGHEST = ("max_interval", "max_delay", "maximum_interval", "max_backoff", "max")
GROWTH = ("backoff_factor", "backoff_coefficient", "factor", "multiplier", "coefficient")


def milliseconds(found: Source, names: tuple[str, ...], unit: str = "ms") -> int | None:
    """The time under one of these names with a unit behind it (`delay_ms`, `delay_seconds`), or without one: then in
    `unit`. None where there is none that can be kept."""
    given = Source(in_snake(found.value), found.path)
    for name in names:
        for suffix, factor in FACTORS.items():
            if (number := given.number(f"{name}_{suffix}")) is not None:
                return _bounded(number * factor)
        if (number := given.number(name)) is not None:
            return _bounded(number * FACTORS[unit])
    return None


def _bounded(number: float) -> int | None:
    return max(1, round(number)) if 0 < number <= MOST_MS else None


def retry_of(found: Source, notes: Notes, unit: str = "ms") -> dict[str, Any] | None:
    """The `retry` of a node; None where nothing of it can be read. Notes of it need the construct `retry`."""
    if not found.given():
        return None
    value = {"max_attempts": found.value} if isinstance(found.value, int) else found.value
    given = Source(in_snake(value), found.path)
    inner = given.get("backoff")
    timing = Source({**in_snake(inner.value), **given.without("backoff")}) if isinstance(inner.value, dict) else given
    attempts, factor = given.number(*ATTEMPTS), timing.number(*GROWTH)
    if attempts is None or not 1 <= attempts <= MOST_ATTEMPTS:
        notes.malformed(found.path, f"expected a retry with a number of attempts, got {found.described()}")
        return None
    policy = {
        "max_attempts": int(attempts),
        "initial_interval_ms": milliseconds(timing, INITIAL, unit),
        "backoff_factor": factor if factor is not None and factor >= 1 else None,
        "max_interval_ms": milliseconds(timing, HIGHEST, unit),
    }
    notes.add("retry", found.path, f"{int(attempts)} attempts at most")
    return {name: value for name, value in policy.items() if value is not None}


def schema_of(found: Source, notes: Notes, construct: str = "schema") -> Any:
    """A JSON Schema that can be used as it is, else None. Notes of it need the construct of this name."""
    if not isinstance(found.value, dict) or not found.value:
        return None
    try:
        compile_schema(found.value)
    except SchemaInvalid as error:
        notes.malformed(found.path, f"it is no JSON Schema: {error}")
        return None
    notes.add(construct, found.path, notes.constructs[construct].about)
    return found.value
