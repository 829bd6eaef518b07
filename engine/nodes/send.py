"""The send node: runs its target once per item of a state list, in parallel, and gathers the outputs in item order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.codec import dumps
from engine.errors import NodeFailure
from engine.graph import Node
from engine.missing import MISSING
from engine.nodes._common import COUNT, STRING, STRINGS, Field, Flaw, Given, Text
from engine.nodes._limits import RATE, LimitSpec, parse_limits
from engine.paths import Path, lookup, state_path
from engine.values import dataclass
from engine.view import FanOut, View

FIELDS: dict[str, Field] = {
    "items_key": Field(STRING, "path of the list in the state", required=True),
    "target_node": Field(STRING, "node that is run for each item"),
    "targets": Field({**STRINGS, "minItems": 1}, "nodes that are run for each item, in this order"),
    "output_key": Field(STRING, "state key that takes the list of outputs (default `send_results`)"),
    "max_concurrency": Field(COUNT, "most items under way at once (default: all)"),
    "concurrency_key": Field(STRING, "template, made for each item: of those with the same text one at a time runs"),
    "rate_limit": Field(RATE, "most items, `limit`, that begin in any `per_ms` milliseconds, over all runs"),
    "on_item_error": Field({"enum": ["fail", "skip", "collect"]}, "what a failed item does (default `fail`)"),
}
DEFAULT_OUTPUT_KEY = "send_results"
SHAPE = ("[[", "]]")
CALLABLE = frozenset({"task", "agent", "transform", "subgraph"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendSpec:
    """A send's fields; `max_concurrency` bounds the items under way (None: no bound), `each` every item by itself:
    it has its place from its beginning to its end."""

    items: Path
    targets: tuple[str, ...]
    output_key: str
    on_item_error: str
    max_concurrency: int | None
    each: LimitSpec | None


def parse(fields: Mapping[str, Any]) -> SendSpec:
    return SendSpec(
        items=state_path(fields["items_key"]),
        targets=tuple(target for target, _ in targets(fields)),
        output_key=fields.get("output_key", DEFAULT_OUTPUT_KEY),
        on_item_error=fields.get("on_item_error", "fail"),
        max_concurrency=None if (most := fields.get("max_concurrency")) is None else int(most),
        each=parse_limits({name: value for name, value in fields.items() if name != "max_concurrency"}),
    )


def targets(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The nodes that are run for each item, each with the JSON Pointer below the node where it is named."""
    if "target_node" in fields:
        yield fields["target_node"], "/target_node"
    for place, target in enumerate(fields.get("targets", ())):
        yield target, f"/targets/{place}"


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    if "items_key" in fields:
        yield Text("path", "/items_key", fields["items_key"])
    yield Text("key", "/output_key", fields.get("output_key", DEFAULT_OUTPUT_KEY))
    if "concurrency_key" in fields:
        yield Text("item", "/concurrency_key", fields["concurrency_key"])


def given(fields: Mapping[str, Any]) -> Iterator[Given]:
    """The results are a list."""
    yield Given(fields.get("output_key", DEFAULT_OUTPUT_KEY), "/output_key", {"type": "array"})


def flaws(fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """A send names its target, in one of the two fields."""
    if "target_node" not in fields and "targets" not in fields:
        yield Flaw("document.field", "", "a send needs the field `target_node` (or `targets`)")
    if "target_node" in fields and "targets" in fields:
        yield Flaw("document.field", "/targets", "a send has either `target_node` or `targets`, not both")


def items_of(spec: SendSpec, view: View) -> list[Any]:
    """The list that is sent; absent or null counts as empty."""
    found = lookup(view.state, spec.items)
    if found is MISSING or found is None:
        return []
    if not isinstance(found, list):
        raise NodeFailure(
            "send.items", f"items_key names {dumps(found)[:80].decode(errors='replace')}, expected a list"
        )
    return found


def enter(node: Node, view: View) -> FanOut:
    spec: SendSpec = node.spec
    items = items_of(spec, view)
    return FanOut(slots=tuple((target, index) for index in range(len(items)) for target in spec.targets))
