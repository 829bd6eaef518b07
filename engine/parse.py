"""A document becomes a graph: JSON in, frozen values out, once per version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine._state_check import check_of
from engine.cache import CacheRule
from engine.checks.reading import DEFAULT_TYPE, ends_of, fields_of, input_keys, names_of
from engine.codec import digest
from engine.errors import Invalid
from engine.graph import DEFAULT_TIMEOUT_MS, Edge, Graph, Node, StateKey
from engine.missing import MISSING
from engine.output import parse_output_spec
from engine.plugins import node_types, reducer
from engine.retry import RetryPolicy
from engine.schema import compile_schema
from engine.template import compile_template
from engine.validate import DEFAULT_LIMITS, Limits, validate
from engine.values import replace

MAKE: Mapping[str, Callable[[Any], Any]] = {
    "max_attempts": int,
    "initial_interval_ms": int,
    "backoff_factor": float,
    "max_interval_ms": int,
    "jitter": float,
}

__all__ = ["Limits", "load", "parse", "stored_form"]


def load(document: Any, workflow_id: str, version: int, limits: Limits = DEFAULT_LIMITS) -> Graph:
    """The graph of a document. Raises Invalid (`workflow.invalid`) with all its problems where it has errors."""
    problems = validate(document, limits)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        message = f"the workflow has errors: {errors[0].path or '/'}: {errors[0].message}{more}"
        raise Invalid(message, "workflow.invalid", [problem.as_json() for problem in problems])
    return parse(document, workflow_id, version)


def stored_form(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it is stored: `schema` is called `state_schema`; everything else is as authored."""
    names = {"schema": "state_schema"} if "state_schema" not in document else {}
    return {names.get(name, name): value for name, value in document.items()}


def parse(
    document: Mapping[str, Any], workflow_id: str, version: int, around: Mapping[str, Any] | None = None
) -> Graph:
    """The graph of a document that has no errors; `around` are the `subgraphs` of the documents that it stands in."""
    document = stored_form(document)
    named = {**(around or {}), **document.get("subgraphs", {})}
    input_schema = document.get("input_schema")
    defaults = document.get("defaults", {})
    return Graph(
        workflow_id=workflow_id,
        version=version,
        document=document,
        nodes={
            name: _with_child(
                _node(name, place, own.get("type", DEFAULT_TYPE), fields_of(own, defaults)),
                fields_of(own, defaults),
                named,
                workflow_id,
                version,
            )
            for place, (name, own) in enumerate(document["nodes"].items())
        },
        edges=tuple(_edge(index, edge) for index, edge in enumerate(document["edges"])),
        state={name: _key(name, entry) for name, entry in document.get("state_schema", {}).items()},
        input_schema=compile_schema(input_schema) if input_schema is not None else None,
        input_keys=input_keys(input_schema),
        output=parse_output_spec(document.get("output")),
        config=document.get("config", {}),
        interrupt_before=tuple(document.get("interrupt_before", ())),
        interrupt_after=tuple(document.get("interrupt_after", ())),
    )


def _node(name: str, place: int, kind: str, fields: Mapping[str, Any]) -> Node:
    return Node(
        name=name,
        type=kind,
        position=place,
        spec=node_types()[kind].parse(fields),
        retry=_retry(fields.get("retry", {})),
        timeout_ms=int(fields.get("timeout_ms", DEFAULT_TIMEOUT_MS)),
        wait_timeout_ms=None if (patience := fields.get("wait_timeout_ms")) is None else int(patience),
        on_error=fields.get("on_error", "fail"),
        parameters=fields.get("parameters", {}),
        defer=fields.get("defer", False),
        **_join(fields.get("join", "all")),
        cache=_cache(fields),
        goto=None if (targets := fields.get("goto")) is None else tuple(names_of(targets)),
    )


def _with_child(
    node: Node, fields: Mapping[str, Any], named: Mapping[str, Any], workflow_id: str, version: int
) -> Node:
    """The node with the graph that it runs, where it runs one."""
    find = getattr(node_types()[node.type], "definition", None)
    if find is None:
        return node
    found = find(fields, named)
    assert found is not None
    name, document = found
    origin, _, pinned = name.partition("@")
    number = int(pinned) if pinned.isdigit() else version
    child = parse(document, origin or f"{workflow_id}/{node.name}", number, named)
    return replace(node, spec=replace(node.spec, child=child))


def _cache(fields: Mapping[str, Any]) -> CacheRule | None:
    """How a node's answers are kept; they are those of the node as it is written."""
    if (rule := fields.get("cache")) is None:
        return None
    key = compile_template(rule["key"]) if "key" in rule else None
    return CacheRule(ttl_ms=int(rule["ttl_ms"]), key=key, node=digest(fields))


def _join(join: Any) -> dict[str, Any]:
    """When arrivals activate a node: a word, or a quorum with its size."""
    return {"join": "quorum", "quorum": int(join["quorum"])} if isinstance(join, Mapping) else {"join": join}


def _retry(fields: Mapping[str, Any]) -> RetryPolicy:
    """The policy as written; JSON Schema takes 3.0 for an integer."""
    codes = fields.get("retry_on")
    made = {name: MAKE[name](value) for name, value in fields.items() if name in MAKE}
    return replace(RetryPolicy(**made), retry_on=None if codes is None else tuple(codes))


def _edge(index: int, edge: Any) -> Edge:
    ends = ends_of(edge)
    assert ends is not None
    return Edge(index=index, source=ends.source, target=ends.target, handle=ends.handle)


def _key(name: str, entry: Mapping[str, Any]) -> StateKey:
    schema = {word: value for word, value in entry.items() if word not in ("reducer", "ephemeral")}
    compiled, found = compile_schema(schema), reducer(entry.get("reducer", "last_value"))
    return StateKey(
        name=name,
        reducer=found,
        schema=entry,
        compiled=compiled,
        ephemeral=entry.get("ephemeral", False),
        default=entry.get("default", MISSING),
        check=check_of(entry, compiled, found),
    )
