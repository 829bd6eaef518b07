"""The entries of `state_schema`, and everything else in a document that is a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from engine.checks.document import OLD_NAME, STATE
from engine.checks.draft import DraftNode, Entry
from engine.checks.problem import NEAREST_SIZE, Findings, clipped, listed, shown
from engine.missing import MISSING
from engine.nodes._common import pointer
from engine.plugins import Reducer, reducer, reducer_names
from engine.schema import Schema, SchemaInvalid, compile_schema
from reducers._errors import described

DEFAULT_REDUCER = "last_value"
OUR_WORDS = ("reducer", "ephemeral")


def read_state(document: Mapping[str, Any], top: Mapping[str, Any], findings: Findings) -> dict[str, Entry]:
    """The entries of the state, each as far as it is valid."""
    name = STATE if STATE in document else OLD_NAME
    found: dict[str, Entry] = {}
    for key, source in top.get(STATE, {}).items():
        path = f"/{name}/{pointer(key)}"
        if isinstance(source, dict):
            found[key] = _entry(key, path, source, findings)
        else:
            message = f"expected a JSON Schema object, got {described(source)}"
            findings.error("document.type", path, message)
            found[key] = Entry(name=key, path=path, source={}, reducer=None, schema=None, types=None)
    return found


def _entry(key: str, path: str, source: Mapping[str, Any], findings: Findings) -> Entry:
    by = _reducer(key, path, source, findings)
    if not isinstance(ephemeral := source.get("ephemeral", False), bool):
        findings.error("document.type", f"{path}/ephemeral", f"expected true or false, got {described(ephemeral)}")
    _check_words(path, source, findings)
    schema = check_schema(source, path, findings)
    entry = Entry(
        name=key,
        path=path,
        source=source,
        reducer=None if by is None else by.name,
        schema=schema,
        types=types_of(source) if schema is not None else None,
        default=source.get("default", MISSING),
    )
    _check_fit(entry, by, findings)
    _check_default(entry, findings)
    return entry


def _check_words(path: str, source: Mapping[str, Any], findings: Findings) -> None:
    """JSON Schema passes over unknown keywords; one that is nearly ours is a slip."""
    for word in source:
        if word not in OUR_WORDS and (close := get_close_matches(word[:NEAREST_SIZE], OUR_WORDS, n=1, cutoff=0.8)):
            message = f"unknown keyword `{shown(word)}` of a state key"
            findings.error("document.field", f"{path}/{pointer(word)}", message, hint=f"did you mean `{close[0]}`?")


def _reducer(key: str, path: str, source: Mapping[str, Any], findings: Findings) -> Reducer | None:
    name = source.get("reducer", DEFAULT_REDUCER)
    if not isinstance(name, str):
        findings.error("document.type", f"{path}/reducer", f"expected the name of a reducer, got {described(name)}")
        return None
    if name not in reducer_names():
        findings.error(
            "reducer.unknown",
            f"{path}/reducer",
            f"unknown reducer `{shown(name)}` of state key `{shown(key)}`; known: {listed(reducer_names())}",
            hint=findings.guess(name, reducer_names()),
        )
        return None
    return reducer(name)


def types_of(schema: Any) -> frozenset[str] | None:
    """The types that a JSON Schema names, null left out; None where it names none."""
    kinds = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(kinds, str):
        return frozenset({kinds}) - {"null"}
    return frozenset(kind for kind in kinds if isinstance(kind, str)) - {"null"} if isinstance(kinds, list) else None


def _check_fit(entry: Entry, by: Reducer | None, findings: Findings) -> None:
    if by is None or by.types is None or entry.types is None:
        return
    if not entry.types & by.types:
        kinds, wanted = " or ".join(sorted(entry.types)) or "null", " or ".join(sorted(by.types))
        findings.error(
            "reducer.type",
            f"{entry.path}/reducer",
            f"the reducer `{by.name}` makes values of type {wanted}, but state key `{shown(entry.name)}` is {kinds}",
            hint=f"use the type {wanted}, or another reducer",
        )


def _check_default(entry: Entry, findings: Findings) -> None:
    if entry.schema is None or entry.default is MISSING:
        return
    for problem in entry.schema.problems(entry.default):
        message = f"the default of state key `{shown(entry.name)}` does not validate: {problem.message}"
        findings.error("schema.invalid", f"{entry.path}/default{problem.path}", clipped(message))


def check_schema(source: Any, path: str, findings: Findings, node: str | None = None) -> Schema | None:
    """The schema, compiled; None, and a problem, where it is not valid."""
    try:
        return compile_schema(source)
    except SchemaInvalid as error:
        findings.error("schema.invalid", path, clipped(f"not a valid JSON Schema: {error}"), node=node)
        return None


def check_node_schemas(node: DraftNode, findings: Findings) -> None:
    """The fields of a node that are JSON Schemas."""
    fields = getattr(node.module, "FIELDS", {})
    for name, value in node.fields.items():
        if name in fields and fields[name].is_schema:
            check_schema(value, node.at(f"/{pointer(name)}"), findings, node.name)
