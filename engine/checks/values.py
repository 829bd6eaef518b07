"""Whether a value has the form that its field wants; what is wrong inside it is named with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.checks.problem import Findings, clipped, shown
from engine.nodes._common import JsonSchema, pointer
from engine.schema import Schema, compile_schema
from reducers._errors import described

UNEXPECTED = "Additional properties are not allowed"
"""How the messages begin about keys that `_unknown` names."""

WORDS = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

_compiled: dict[int, tuple[JsonSchema, Schema]] = {}


def check_value(value: Any, schema: JsonSchema, path: str, findings: Findings, node: str | None = None) -> bool:
    """Whether the value satisfies the schema of its field; adds `document.type` and `document.field` where not."""
    compiled = _schema(schema)
    if compiled.accepts(value):
        return True
    if (expected := expectation(schema)) is not None and not _is_container(value, schema):
        findings.error("document.type", path, f"expected {expected}, got {described(value)}", node=node)
        return False
    for place, key, known in _unknown(value, schema, path):
        hint = findings.nearest(key, known)
        findings.error("document.field", place, f"unknown field `{shown(key)}`", node=node, hint=hint)
    for problem in compiled.problems(value):
        if not problem.message.startswith(UNEXPECTED):
            findings.error("document.type", path + problem.path, clipped(problem.message), node=node)
    return False


def expectation(schema: JsonSchema) -> str | None:
    """What a schema asks for, in words, where that is short."""
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(filter(None, map(expectation, schema["anyOf"])))
    if "required" in schema:
        return "an object with " + " and ".join(f"`{name}`" for name in schema["required"])
    kinds = schema.get("type")
    words = [WORDS[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds or ())]
    if not words:
        return None
    bounds = "".join(
        f"{sign} {schema[bound]:,}" for bound, sign in (("minimum", " from"), ("maximum", " to")) if bound in schema
    )
    return " or ".join(words) + bounds


def _is_container(value: Any, schema: JsonSchema) -> bool:
    """Whether the value is an object or array where there may be one, so that the problem lies inside it."""
    kinds = schema.get("type", ())
    return isinstance(value, dict | list) and ("object" if isinstance(value, dict) else "array") in kinds


def _schema(schema: JsonSchema) -> Schema:
    """The schema of a field, compiled once: fields are constants."""
    if id(schema) not in _compiled:
        _compiled[id(schema)] = (schema, compile_schema(schema))
    return _compiled[id(schema)][1]


def _unknown(value: Any, schema: JsonSchema, path: str) -> Iterator[tuple[str, str, list[str]]]:
    """The keys that objects with a closed list of keys do not have: place, key and known keys."""
    if isinstance(value, list):
        for place, item in enumerate(value if "items" in schema else ()):
            yield from _unknown(item, schema["items"], f"{path}/{place}")
    elif isinstance(value, dict) and schema.get("additionalProperties") is False:
        for key in value:
            if key not in schema["properties"]:
                yield f"{path}/{pointer(key)}", key, list(schema["properties"])
