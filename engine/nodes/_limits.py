"""The limits of nodes: of those that ask workers, and of those that are done at once, where they hold by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.limits import MAX_RATE, NO_LIMITS, Limits, RateRule, rate_rule
from engine.nodes._common import COUNT, STRING, Field, JsonSchema, Text, text_of
from engine.template import Template, compile_template

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
}
"""For nodes that are done in the moment in which they are activated: one after another, whatever the bound."""


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


def limit_texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    """The texts of the limits that refer to names."""
    if "concurrency_key" in fields:
        yield Text("template", "/concurrency_key", fields["concurrency_key"])


def limits_for(spec: LimitSpec | None, names: Mapping[str, Any]) -> Limits:
    """The limits of a task that sees these names. Raises NodeFailure."""
    if spec is None:
        return NO_LIMITS
    key = None if spec.key is None else text_of(spec.key, names)
    return Limits(max_concurrency=spec.max_concurrency, key=key or None, rate=spec.rate)
