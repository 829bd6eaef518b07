"""The transform node: computes updates by templates and expressions, without a worker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.graph import Node
from engine.nodes._common import OBJECT, Computed, Field, Given, Text, pointer, updates_of, value_texts
from engine.nodes._limits import KEPT_BY_ITSELF, LimitSpec, limit_texts, parse_rate
from engine.values import dataclass
from engine.view import Done, View

FIELDS: dict[str, Field] = {
    "updates": Field(OBJECT, "state key → value, template or expression", required=True),
    **KEPT_BY_ITSELF,
}
SHAPE = ("(", ")")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformSpec:
    """The updates, compiled, in the order of the document."""

    updates: Mapping[str, Computed]
    stay: LimitSpec | None = None
    """Its rate."""


def parse(fields: Mapping[str, Any]) -> TransformSpec:
    updates = {key: Computed(value) for key, value in fields.get("updates", {}).items()}
    return TransformSpec(updates=updates, stay=parse_rate(fields))


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    for key, value in fields.get("updates", {}).items():
        yield Text("key", f"/updates/{pointer(key)}", key)
        yield from value_texts(value, f"/updates/{pointer(key)}")
    yield from limit_texts(fields)


def given(fields: Mapping[str, Any]) -> Iterator[Given]:
    """The updates that hold no template and no expression."""
    for key, value in fields.get("updates", {}).items():
        if all(text.kind == "value" and "{" not in text.source for text in value_texts(value, "")):
            yield Given(key, f"/updates/{pointer(key)}", value=value)


def enter(node: Node, view: View) -> Done:
    spec: TransformSpec = node.spec
    return Done(updates=updates_of(spec.updates, view))
