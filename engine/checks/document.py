"""The top level of a document: its size, its fields and their types, and `config`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from engine.checks.problem import Findings, shown
from engine.checks.values import check_value
from engine.codec import CodecError, dumps
from engine.errors import Invalid
from engine.ids import IN_PATH, NOT_IN_PATH
from engine.nodes._common import COUNT, MILLISECONDS, OBJECT, SCHEMA, STRINGS, Field, pointer

MAX_DEPTH = 64
NOTE = {"type": ["string", "null"]}
ID = {"type": "string", "minLength": 1, "maxLength": 200}

FIELDS: dict[str, Field] = {
    "id": Field(ID, "name of the workflow"),
    "name": Field(NOTE, "title"),
    "description": Field(NOTE, "what it is for"),
    "definition_version": Field({"type": ["string", "number", "null"]}, "version that the author gives it"),
    "tags": Field(STRINGS, "words to find it by"),
    "metadata": Field({}, "kept, and not read"),
    "input_schema": Field(SCHEMA, "JSON Schema of a run's input", is_schema=True),
    "state_schema": Field(OBJECT, "state key → JSON Schema with `reducer` and `ephemeral`"),
    "output": Field({"type": ["array", "object", "null"], "items": {"type": "string"}}, "what a run answers"),
    "nodes": Field(OBJECT, "name → node", required=True),
    "edges": Field({"type": "array"}, "what leads where", required=True),
    "subgraphs": Field(
        {"type": "object", "additionalProperties": OBJECT},
        "name → document of a graph that `subgraph` nodes run; copies of other workflows are kept as `id@version`",
    ),
    "config": Field(OBJECT, "the workflow's default for the config of its runs"),
    "defaults": Field(OBJECT, "node fields by type"),
    "interrupt_before": Field(STRINGS, "nodes before which runs stop"),
    "interrupt_after": Field(STRINGS, "nodes after which runs stop"),
    "environment": Field(NOTE, "kept, and not read"),
    "namespace": Field(NOTE, "kept, and not read"),
    "origin_id": Field(NOTE, "kept, and not read"),
}

CONFIG: dict[str, Field] = {
    "max_steps": Field(COUNT, "the deepest level that a task may have"),
    "max_tasks": Field(COUNT, "the most tasks of a run"),
    "timeout_ms": Field(
        {**MILLISECONDS, "type": ["integer", "null"]}, "most milliseconds that a run may take (default: no limit)"
    ),
    "stall_timeout_ms": Field(
        {**MILLISECONDS, "type": ["integer", "null"]},
        "most milliseconds in which nothing may happen in a run that waits neither for people nor for a time "
        "(default: no limit)",
    ),
    "max_cost": Field({"type": ["number", "null"], "minimum": 0}, "the most that a run may cost (default: no limit)"),
}

OLD_NAME, STATE = "schema", "state_schema"
_ID = re.compile(IN_PATH)


def check_size(document: Any, most_bytes: int, findings: Findings) -> bool:
    """Whether the document is JSON of a size that can be looked into."""
    if _deeper(document, MAX_DEPTH):
        findings.error("limit.size", "", f"the document is nested more than {MAX_DEPTH} levels deep")
        return False
    try:
        size = len(dumps(document))
    except CodecError as error:
        findings.error("document.type", "", error.message)
        return False
    if size > most_bytes:
        findings.error("limit.size", "", f"the document has {size:,} bytes, more than the {most_bytes:,} allowed")
    return size <= most_bytes


def _deeper(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> list[Any]:
    found = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [inner for inner in found if isinstance(inner, dict | list)]


def read_top(document: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """The top-level fields of the right type; `schema` counts as `state_schema`."""
    top: dict[str, Any] = {}
    for name, value in document.items():
        known = STATE if name == OLD_NAME else name
        if known in FIELDS:
            if check_value(value, FIELDS[known].schema, f"/{name}", findings):
                top[known] = value
        else:
            message = f"unknown field `{shown(name)}`"
            hint = findings.nearest(name, FIELDS)
            findings.error("document.field", f"/{pointer(name)}", message, hint=hint)
    _check_required(document, findings)
    _check_id(top, findings)
    _check_config(top.get("config", {}), findings)
    return top


def check_stops(top: Mapping[str, Any], nodes: Collection[str], findings: Findings) -> None:
    """Breakpoints stand at nodes that exist."""
    for field in ("interrupt_before", "interrupt_after"):
        for place, name in enumerate(top.get(field, ())):
            if name not in nodes:
                hint = findings.nearest(name, nodes)
                message = f"unknown node: `{field}` names `{shown(name)}`"
                findings.error("reference.name", f"/{field}/{place}", message, hint=hint)


def _check_required(document: Mapping[str, Any], findings: Findings) -> None:
    for name, field in FIELDS.items():
        if field.required and name not in document:
            findings.error("document.field", "", f"the field `{name}` is missing: {field.about}")
    if OLD_NAME in document and STATE in document:
        findings.error("document.field", f"/{OLD_NAME}", f"`{OLD_NAME}` and `{STATE}` are one field; give one of them")


def _check_id(top: Mapping[str, Any], findings: Findings) -> None:
    if "id" in top and not _ID.fullmatch(top["id"]):
        findings.error("document.type", "/id", NOT_IN_PATH)


def _check_config(config: Mapping[str, Any], findings: Findings) -> None:
    for name, value in config.items():
        if name in CONFIG:
            check_value(value, CONFIG[name].schema, f"/config/{name}", findings)


def check_config(config: Mapping[str, Any]) -> None:
    """Raise Invalid (`config.invalid`) where the config of a run has a limit that is none."""
    findings = Findings()
    _check_config(config, findings)
    if problems := [problem.as_json() for problem in findings.problems()]:
        first = problems[0]
        raise Invalid(f"{first['path'].lstrip('/')}: {first['message']}", "config.invalid", problems)
