"""The route node: picks one or more of its outgoing `node:value` edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.codec import dumps
from engine.errors import NodeFailure
from engine.expression import Expression, ExpressionFailed, compile_expression, evaluate_bool
from engine.graph import Node
from engine.missing import MISSING
from engine.nodes._common import STRING, STRING_MAP, Field, Flaw, Text, pointer
from engine.nodes._decimal import shortest
from engine.nodes._limits import KEPT_BY_ITSELF, LimitSpec, limit_texts, parse_rate
from engine.paths import Path, lookup, state_path
from engine.values import dataclass
from engine.view import Chosen, View

RULES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "when": {"type": "string"},
            "to": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]},
        },
        "required": ["when", "to"],
        "additionalProperties": False,
    },
}

FIELDS: dict[str, Field] = {
    "input": Field(STRING, "path of the value that `routes` are compared with, as text"),
    "routes": Field(STRING_MAP, "text of the value, which is the handle of the edge to take → target of that edge"),
    "rules": Field(RULES, "the first rule whose `when` holds names the handles to take"),
    "default": Field(STRING, "handle to take where no rule holds, or the input is missing"),
    **KEPT_BY_ITSELF,
}
SHAPE = ("{", "}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteSpec:
    """Rules in order, or a path and the values that have a route, and the default."""

    input: Path | None
    routes: frozenset[str]
    rules: tuple[tuple[Expression, tuple[str, ...]], ...]
    default: str | None
    stay: LimitSpec | None = None
    """Its rate."""


def parse(fields: Mapping[str, Any]) -> RouteSpec:
    return RouteSpec(
        input=state_path(fields["input"]) if "input" in fields else None,
        routes=frozenset(fields.get("routes", {})),
        rules=tuple((compile_expression(rule["when"]), _several(rule["to"])) for rule in fields.get("rules", ())),
        default=fields.get("default"),
        stay=parse_rate(fields),
    )


def _several(to: str | list[str]) -> tuple[str, ...]:
    return (to,) if isinstance(to, str) else tuple(dict.fromkeys(to))


def handles(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The handles that the route may choose, each with the JSON Pointer below the node where it is named."""
    for value in fields.get("routes", {}):
        yield value, f"/routes/{pointer(value)}"
    for place, rule in enumerate(fields.get("rules", ())):
        for handle in _several(rule["to"]):
            yield handle, f"/rules/{place}/to"
    if "default" in fields:
        yield fields["default"], "/default"


def leads(fields: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The handles whose target the route names: (handle, target, JSON Pointer below the node)."""
    for value, target in fields.get("routes", {}).items():
        yield value, target, f"/routes/{pointer(value)}"


def together(fields: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The groups of handles that the route may choose at once."""
    return (handles for rule in fields.get("rules", ()) if len(handles := _several(rule["to"])) > 1)


def flaws(fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """A route decides by `rules`, or by `input` and `routes`."""
    if "routes" in fields and "input" not in fields:
        yield Flaw("document.field", "", "`routes` needs the field `input`, the path of the value to compare")
    elif "input" in fields and "routes" not in fields:
        yield Flaw("document.field", "", "`input` needs the field `routes`, the values to compare with")
    elif "rules" not in fields and "routes" not in fields:
        yield Flaw("document.field", "", "a route needs the field `rules`, or `input` and `routes`")


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    if "input" in fields:
        yield Text("path", "/input", fields["input"])
    for place, rule in enumerate(fields.get("rules", ())):
        yield Text("expression", f"/rules/{place}/when", rule["when"])
    yield from limit_texts(fields)


def enter(node: Node, view: View) -> Chosen:
    spec: RouteSpec = node.spec
    chosen = _by_rules(spec, view) or _by_value(spec, view)
    if chosen is None:
        chosen = (spec.default,) if spec.default is not None else None
    if chosen is None:
        raise NodeFailure("route.no_match", _no_match(spec, view))
    return Chosen(handles=chosen)


def _by_rules(spec: RouteSpec, view: View) -> tuple[str, ...] | None:
    names = view.names()
    try:
        return next((handles for when, handles in spec.rules if evaluate_bool(when, names)), None)
    except ExpressionFailed as error:
        raise NodeFailure("expression.failed", str(error)) from None


def _by_value(spec: RouteSpec, view: View) -> tuple[str, ...] | None:
    if spec.input is None:
        return None
    value = lookup(view.state, spec.input)
    return (text,) if value is not MISSING and (text := as_text(value)) in spec.routes else None


def as_text(value: Any) -> str:
    """A value as routes compare it: strings as they are, numbers as short as JSON has them, all else as JSON."""
    if isinstance(value, float):
        return shortest(value)
    return value if isinstance(value, str) else dumps(value).decode()


def _no_match(spec: RouteSpec, view: View) -> str:
    if spec.input is None:
        return "no rule holds and there is no default"
    value = lookup(view.state, spec.input)
    if value is MISSING:
        return "the input path is missing and there is no default"
    return f"no route for {as_text(value)[:100]!r} and there is no default"
