"""What node types share: descriptions of fields, texts to check, values with templates and expressions in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from engine.errors import NodeFailure
from engine.expression import Expression, ExpressionFailed, compile_expression, evaluate
from engine.missing import MISSING
from engine.model import Updates
from engine.template import (
    Template,
    TemplateFailed,
    TemplateUndefined,
    compile_template,
    render_text,
    render_value,
)
from engine.values import dataclass
from engine.view import View

JsonSchema = Mapping[str, Any]
TextKind = Literal["template", "item", "value", "expression", "judgement", "path", "key", "read", "output"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a node type: the JSON Schema of its value, and what it is for.

    `is_schema` says that the value is itself a JSON Schema.
    """

    schema: JsonSchema
    about: str
    required: bool = False
    is_schema: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """A string in a node that refers to names: `path` is its JSON Pointer below the node.

    Kinds: `template` (always a string), `item` (one that is made for each item of a send), `value` (a template that may
    yield any value), `expression` (CEL), `path` (into the state), `key` (the name of a state key that the node writes),
    `read` (of one that it reads), `output` (a path in the node's output), `judgement` (CEL over the node's output,
    besides all else).
    """

    kind: TextKind
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Given:
    """What is known of a value that a node writes to a state key, before it runs; `path` as in Text.

    Either the JSON Schema that the value will satisfy, or the value itself.
    """

    key: str
    path: str
    schema: Any = None
    value: Any = MISSING


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the fields of a node taken together; `path` as in Text."""

    code: str
    path: str
    message: str


STRING: JsonSchema = {"type": "string"}
STRINGS: JsonSchema = {"type": "array", "items": {"type": "string"}}
OBJECT: JsonSchema = {"type": "object"}
SCHEMA: JsonSchema = {"type": ["object", "boolean"]}
STRING_MAP: JsonSchema = {"type": "object", "additionalProperties": {"type": "string"}}
COUNT: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
MILLISECONDS: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 315_360_000_000}


class Computed:
    """A JSON value in which strings may be templates and `{"$expr": …}` an expression, compiled once."""

    __slots__ = ("constant", "make")

    def __init__(self, source: Any) -> None:
        self.make = _compile(source)
        self.constant = source if self.make is None else None

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value with every template and expression in it worked out. Raises NodeFailure."""
        return self.constant if self.make is None else self.make(names)


def _compile(source: Any) -> Any:
    """A function of the names, or None where the value is constant."""
    if isinstance(source, str):
        template = compile_template(source)
        return None if template.literal else lambda names: value_of(template, names)
    if is_expression(source):
        expression = compile_expression(source["$expr"])
        return lambda names: result_of(expression, names)
    if isinstance(source, dict):
        parts = {key: Computed(inner) for key, inner in source.items()}
        if all(part.make is None for part in parts.values()):
            return None
        return lambda names: {key: part.value(names) for key, part in parts.items()}
    if isinstance(source, list):
        items = [Computed(inner) for inner in source]
        if all(item.make is None for item in items):
            return None
        return lambda names: [item.value(names) for item in items]
    return None


def is_expression(value: Any) -> bool:
    """Whether a value is exactly `{"$expr": "…"}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("$expr"), str)


def value_texts(value: Any, path: str) -> Iterator[Text]:
    """The templates and expressions inside a JSON value."""
    if isinstance(value, str):
        yield Text("value", path, value)
    elif is_expression(value):
        yield Text("expression", f"{path}/$expr", value["$expr"])
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from value_texts(inner, f"{path}/{pointer(key)}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from value_texts(inner, f"{path}/{place}")


def pointer(key: str) -> str:
    """A key as a token of a JSON Pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def text_of(template: Template, names: Mapping[str, Any]) -> str:
    """Render to a string; a failure of the template is one of the node."""
    try:
        return render_text(template, names)
    except TemplateUndefined as error:
        raise NodeFailure("template.undefined", str(error)) from None
    except TemplateFailed as error:
        raise NodeFailure("template.failed", str(error)) from None


def value_of(template: Template, names: Mapping[str, Any]) -> Any:
    """Render to a value; a failure of the template is one of the node."""
    try:
        return render_value(template, names)
    except TemplateUndefined as error:
        raise NodeFailure("template.undefined", str(error)) from None
    except TemplateFailed as error:
        raise NodeFailure("template.failed", str(error)) from None


def result_of(expression: Expression, names: Mapping[str, Any]) -> Any:
    """Evaluate; a failure of the expression is one of the node."""
    try:
        return evaluate(expression, names)
    except ExpressionFailed as error:
        raise NodeFailure("expression.failed", str(error)) from None


def updates_of(computed: Mapping[str, Computed], view: View) -> Updates:
    """State updates with their templates and expressions worked out."""
    names = None
    found = []
    for key, part in computed.items():
        if part.make is None:
            found.append((key, part.constant))
        else:
            names = view.names() if names is None else names
            found.append((key, part.make(names)))
    return tuple(found)
