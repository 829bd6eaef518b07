"""The interrupt node: waits for a human or a program to resume the run with a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.graph import EXPIRED_HANDLE, Node
from engine.missing import MISSING
from engine.nodes._common import MILLISECONDS, SCHEMA, STRING, Field, Flaw, Given, Text, text_of
from engine.nodes._limits import LimitSpec, limit_texts, parse_limits, stay_fields
from engine.nodes._output import OUTPUT_FIELDS, Output, output_given, output_texts, parse_output
from engine.schema import Schema, SchemaInvalid, compile_schema
from engine.template import Template, compile_template
from engine.values import dataclass
from engine.view import Pause, View

FIELDS: dict[str, Field] = {
    "message": Field(STRING, "template of the question"),
    "schema": Field(SCHEMA, "JSON Schema that the value must satisfy", is_schema=True),
    "actions": Field({"type": "array"}, "choices to offer, as the asking program understands them"),
    "expires_in_ms": Field(MILLISECONDS, "milliseconds after which it waits no longer (default: it waits for ever)"),
    "on_expire": Field({}, "the value that it goes on with when it expires"),
    **OUTPUT_FIELDS,
    **stay_fields("wait for an answer", "waits for an answer", "ask"),
}
EXITS = {EXPIRED_HANDLE: "expires_in_ms"}
SHAPE = ("{{", "}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptSpec:
    """An interrupt's fields, compiled; `schema_source` is what people are shown."""

    message: Template
    schema: Schema | None
    schema_source: Any
    actions: Any
    output: Output
    expires_in_ms: int | None = None
    on_expire: Any = MISSING
    stay: LimitSpec | None = None
    """What bounds its tasks, which have their place from when they ask until that is answered or expires."""


def parse(fields: Mapping[str, Any]) -> InterruptSpec:
    return InterruptSpec(
        message=compile_template(fields.get("message", "")),
        schema=compile_schema(fields["schema"]) if "schema" in fields else None,
        schema_source=fields.get("schema"),
        actions=fields.get("actions"),
        output=parse_output(fields),
        expires_in_ms=fields.get("expires_in_ms"),
        on_expire=fields.get("on_expire", MISSING),
        stay=parse_limits(fields),
    )


def texts(fields: Mapping[str, Any]) -> Iterator[Text]:
    if "message" in fields:
        yield Text("template", "/message", fields["message"])
    yield from output_texts(fields)
    yield from limit_texts(fields)


def flaws(fields: Mapping[str, Any]) -> Iterator[Flaw]:
    """What it goes on with when it expires is a value that it would accept."""
    if "on_expire" not in fields:
        return
    if "expires_in_ms" not in fields:
        yield Flaw("document.field", "/on_expire", "`on_expire` needs the field `expires_in_ms`: this never expires")
    try:
        problems = compile_schema(fields.get("schema", True)).problems(fields["on_expire"])
    except SchemaInvalid:
        return  # told already
    if problems:
        message = f"`on_expire` does not satisfy `schema`: {problems[0].path or '/'}: {problems[0].message}"
        yield Flaw("mapping.type", "/on_expire", message)


def given(fields: Mapping[str, Any]) -> Iterator[Given]:
    """What `schema` says about the state keys that the value is written to."""
    return output_given(fields, fields.get("schema"))


def enter(node: Node, view: View) -> Pause:
    spec: InterruptSpec = node.spec
    return Pause(
        message=text_of(spec.message, view.names()) if not spec.message.literal else spec.message.source,
        schema=spec.schema_source,
        actions=spec.actions,
        expires_in_ms=spec.expires_in_ms,
    )
