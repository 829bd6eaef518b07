"""Whether a value has the form that its field wants; what is wrong inside it is named with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from engine.checks.problem import Findings, clipped, shown
from engine.codec import read, write
from engine.missing import MISSING
from engine.nodes._common import JsonSchema, pointer
from engine.schema import Schema, compile_schema
from reducers._errors import described

UNEXPECTED = "Additional properties are not allowed"
"""How the messages begin about keys that `_unknown` names."""

MOST_PARTS = 20
"""So many things may be wrong in one value, and the rest of it is looked at all the same."""

Place = tuple[str | int, ...]

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
    schema = _branch(value, schema)
    compiled = _schema(schema)
    if (expected := expectation(schema)) is not None and not _is_container(value, schema):
        findings.error("document.type", path, f"expected {expected}, got {described(value)}", node=node)
        return False
    for place, key, known in _unknown(value, schema, ()):
        hint = findings.nearest(key, known)
        below = "".join(f"/{pointer(str(part))}" for part in (*place, key))
        findings.error("document.field", path + below, f"unknown field `{shown(key)}`", node=node, hint=hint)
    for problem in compiled.problems(value):
        if problem.missing is not None:
            message = f"the field `{shown(problem.missing)}` is missing"
            findings.error("document.field", path + problem.path, message, node=node)
        elif not problem.message.startswith(UNEXPECTED):
            findings.error("document.type", path + problem.path, clipped(problem.message), node=node)
    return False


def sound_part(value: Any, schema: JsonSchema) -> Any:
    """What is left of an object or array without what is wrong in it, at its place, so that the rest can be looked at
    all the same: of an array what stands before that. MISSING where nothing is left."""
    schema = _branch(value, schema)
    if not _is_container(value, schema):
        return MISSING
    found = read(write(value))
    for _ in range(MOST_PARTS):
        wrong = next(_wrong_places(found, schema), None)
        if wrong is None:
            return found
        if not wrong:
            return MISSING
        _drop(found, wrong, _form_at(schema, wrong))
    return MISSING


def _wrong_places(value: Any, schema: JsonSchema) -> Iterator[Sequence[str | int]]:
    for path, key, _ in _unknown(value, schema, ()):
        yield (*path, key)
    for problem in _schema(schema).problems(value):
        yield problem.place


def _form_at(schema: JsonSchema, place: Sequence[str | int]) -> JsonSchema:
    """The schema of what is at a place, as far as it says."""
    for part in place:
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
    return schema


def _drop(value: Any, place: Sequence[str | int], form: JsonSchema) -> None:
    """Leave out what is at a place, or in an array what follows as well. Another number takes the place of a wrong one:
    nobody looks at it, and it may have to be there."""
    for part in place[:-1]:
        value = value[part]
    last = place[-1]
    if form.get("type") in ("integer", "number"):
        value[last] = form.get("minimum", 1)
    elif isinstance(last, int):
        del value[last:]
    else:
        del value[last]


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


def _branch(value: Any, schema: JsonSchema) -> JsonSchema:
    """The one of several forms that an object is to have which has several fields, so that the problem lies inside it;
    one of a single field is quickly said as a whole."""
    forms = [
        form for form in schema.get("anyOf", ()) if _is_container(value, form) and len(form.get("properties", ())) > 1
    ]
    return forms[0] if len(forms) == 1 else schema


def _is_container(value: Any, schema: JsonSchema) -> bool:
    """Whether the value is an object or array where there may be one, so that the problem lies inside it."""
    kinds = schema.get("type", ())
    return isinstance(value, dict | list) and ("object" if isinstance(value, dict) else "array") in kinds


def _schema(schema: JsonSchema) -> Schema:
    """The schema of a field, compiled once: fields are constants."""
    if id(schema) not in _compiled:
        _compiled[id(schema)] = (schema, compile_schema(schema))
    return _compiled[id(schema)][1]


def _unknown(value: Any, schema: JsonSchema, place: Place) -> Iterator[tuple[Place, str, list[str]]]:
    """The keys that objects with a closed list of keys do not have: where the object is, the key, and known keys."""
    if isinstance(value, list):
        for index, item in enumerate(value if "items" in schema else ()):
            yield from _unknown(item, schema["items"], (*place, index))
    elif isinstance(value, dict) and schema.get("additionalProperties") is False:
        for key in value:
            if key not in schema["properties"]:
                yield place, key, list(schema["properties"])
