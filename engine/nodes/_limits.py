"""The limits of nodes: of those that ask workers, of those that go on by themselves for a time, and of those that are
done at once, where they hold by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.limits import MAX_RATE, NO_LIMITS, Limits, RateRule, rate_rule
from engine.nodes._common import COUNT, STRING, Field, JsonSchema, Text, text_of
from engine.template import Template, compile_template
from engine.values import dataclass

RATE: JsonSchema = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_RATE},
        "per_ms": {"type": "integer", "minimum": 1, "maximum": 86_400_000},
    },
    "required": ["limit", "per_ms"],
    "additionalProperties": False,
}
LIMIT_FIELDS: dict[str, Field] = {
    "max_concurrency": Field(COUNT, "most tasks of the node that workers hold at once, over all runs (default: all)"),
    "concurrency_key": Field(STRING, "template: of the tasks with the same text a worker holds one at a time"),
    "rate_limit": Field(RATE, "most attempts, `limit`, that are sent in any `per_ms` milliseconds, over all runs"),
}
KEPT_BY_ITSELF: dict[str, Field] = {
    "max_concurrency": Field(COUNT, "holds by itself: tasks of the node are done at once, one after another"),
    "concurrency_key": Field(STRING, "template; holds by itself: tasks of the node are done at once"),
    "rate_limit": Field(RATE, "most times, `limit`, that the node is done in any `per_ms` milliseconds, over all runs"),
}
"""For nodes that are done in the moment in which they are activated: one after another, whatever the bound."""


def stay_fields(go_on: str, goes_on: str, begin: str) -> dict[str, Field]:
    """The limits of nodes whose tasks have a place as long as they `go_on`, and `begin` no more often than their rate
    allows."""
    return {
        "max_concurrency": Field(COUNT, f"most tasks of the node that {go_on} at once, over all runs (default: all)"),
        "concurrency_key": Field(STRING, f"template: of the tasks with the same text one at a time {goes_on}"),
        "rate_limit": Field(RATE, f"most tasks, `limit`, that {begin} in any `per_ms` milliseconds, over all runs"),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSpec:
    """A node's limits, compiled."""

    max_concurrency: int | None
    key: Template | None
    rate: RateRule | None


def parse_limits(fields: Mapping[str, Any]) -> LimitSpec | None:
    """The limits of a node; None where it has none."""
    if fields.keys().isdisjoint(LIMIT_FIELDS):
        return None
    return LimitSpec(
        max_concurrency=None if (most := fields.get("max_concurrency")) is None else int(most),
        key=compile_template(fields["concurrency_key"]) if "concurrency_key" in fields else None,
        rate=rate_rule(fields["rate_limit"]) if "rate_limit" in fields else None,
    )


def parse_rate(fields: Mapping[str, Any]) -> LimitSpec | None:
    """The rate of a node that is done at once, whose other limits hold by themselves; None where it has none."""
    return parse_limits({name: value for name, value in fields.items() if name == "rate_limit"})


def limit_texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    """The texts of the limits that refer to names."""
    if "concurrency_key" in fields:
        yield Text("template", "/concurrency_key", fields["concurrency_key"])


def limits_for(spec: LimitSpec | None, names: Mapping[str, Any]) -> Limits:
    """The limits of a task that sees these names. Raises NodeFailure."""
    if spec is None:
        return NO_LIMITS
    return Limits(max_concurrency=spec.max_concurrency, key=key_for(spec, names), rate=spec.rate)


def key_for(spec: LimitSpec, names: Mapping[str, Any]) -> str | None:
    """The key of a task that sees these names; None where it has none. Raises NodeFailure."""
    return None if spec.key is None else text_of(spec.key, names) or None
