"""What a run asks people, as the command line tells it: what an answer may be, and a command that gives one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ANYTHING = "anything"
ANY_JSON = """any JSON, such as true or '"yes"'"""
DEEP = 4
"""A schema is told to this depth."""
WIDTH = 100

Shape = Mapping[str, Any]


def takes(schema: Any, depth: int = 0) -> str:
    """What a JSON Schema lets through, in short: `{"ok": boolean, "note"?: string}`."""
    if not isinstance(schema, Mapping) or depth > DEEP:
        return "nothing" if schema is False else ANYTHING
    if "const" in schema or "enum" in schema:
        return " | ".join(map(_json, schema.get("enum", [schema.get("const")])))
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(takes(branch, depth + 1) for branch in branches))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(takes({**schema, "type": one}, depth) for one in kind)
    if kind == "array":
        return f"[{takes(schema.get('items'), depth + 1)}, …]"
    if kind == "object" or (kind is None and schema.get("properties")):
        needed = schema.get("required", ())
        keys = schema.get("properties", {}).items()
        told = [f"{_json(key)}{'' if key in needed else '?'}: {takes(one, depth + 1)}" for key, one in keys]
        return f"{{{', '.join(told)}}}" if told else "an object"
    return str(kind or ANYTHING)


def example(schema: Any, depth: int = 0) -> Any:
    """A value that a simple schema lets through; of another one it may not be."""
    if not isinstance(schema, Mapping) or depth > DEEP:
        return True
    for name in ("examples", "enum", "default", "const"):
        if name in schema:
            return schema[name][0] if name in ("examples", "enum") else schema[name]
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return example(branches[0], depth + 1)
    return _of_kind(schema, depth)


def _of_kind(schema: Shape, depth: int) -> Any:
    kind = schema.get("type", "object" if schema.get("properties") else "boolean")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        keys = schema.get("properties", {})
        return {key: example(keys.get(key), depth + 1) for key in schema.get("required") or keys}
    if kind == "array":
        return [example(schema.get("items"), depth + 1)]
    return {"string": "text", "null": None, "boolean": True}.get(kind, schema.get("minimum", 1))


def asked_lines(run: Shape, *, labelled: bool) -> Iterator[str]:
    """The questions of a run, each with what it takes; then how they are answered, unless the run is held."""
    for found in run["interrupts"]:
        yield f"{'asks      ' if labelled else 'asks '}{found['id']} {found['node']}: {found['message']}"
        text = takes(found["schema"])
        text = ANY_JSON if text == ANYTHING else text
        text = text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
        yield f"{'takes     ' if labelled else 'takes '}{text}"


def answer_lines(run: Shape) -> list[str]:
    """The commands that answer the questions of a run, ready to be typed."""
    several = len(run["interrupts"]) > 1
    return [answer_line(run["id"], found, named=several) for found in run["interrupts"]]


def answer_line(run: str, found: Shape, *, named: bool) -> str:
    """The command that answers a question, which names it where several may be open."""
    which = f"--interrupt {found['id']} " if named else ""
    value = _answer(found)
    return f"answer it: clew runs resume {run} {which}{'VALUE' if value is None else shlex.quote(_json(value))}"


def _answer(found: Shape) -> Any:
    """An answer that would be taken; None where none is known."""
    from engine.schema import SchemaInvalid, compile_schema

    actions: Sequence[Any] = found["actions"] or ()
    schema = found["schema"]
    if schema is None:
        return actions[0].get("value") if actions and isinstance(actions[0], Mapping) else None
    values = [one["value"] for one in actions if isinstance(one, Mapping) and "value" in one]
    try:
        compiled = compile_schema(schema)
        return next((value for value in (*values, example(schema)) if compiled.accepts(value)), None)
    except (SchemaInvalid, AttributeError, TypeError, IndexError):  # a schema of a form that nobody foresaw
        return None


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
