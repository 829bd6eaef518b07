"""A document becomes a graph: JSON in, frozen values out, once per version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine._state_check import check_of
from engine.graph import DEFAULT_TIMEOUT_MS, Edge, Graph, Node, StateKey
from engine.missing import MISSING
from engine.output import parse_output_spec
from engine.plugins import node_types, reducer
from engine.retry import RetryPolicy
from engine.schema import compile_schema

RETRY_FIELDS = ("max_attempts", "initial_interval_ms", "backoff_factor", "max_interval_ms")


def stored_form(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it is stored: `schema` is called `state_schema`; everything else is as authored."""
    names = {"schema": "state_schema"} if "state_schema" not in document else {}
    return {names.get(name, name): value for name, value in document.items()}


def parse(document: Mapping[str, Any], workflow_id: str, version: int) -> Graph:
    """The graph of a document that has no errors."""
    document = stored_form(document)
    input_schema = document.get("input_schema")
    properties = input_schema.get("properties", {}) if isinstance(input_schema, dict) else {}
    defaults = document.get("defaults", {})
    return Graph(
        workflow_id=workflow_id,
        version=version,
        document=document,
        nodes={
            name: _node(name, place, fields, defaults) for place, (name, fields) in enumerate(document["nodes"].items())
        },
        edges=tuple(_edge(index, edge) for index, edge in enumerate(document["edges"])),
        state={name: _key(name, entry) for name, entry in document.get("state_schema", {}).items()},
        input_schema=compile_schema(input_schema) if input_schema is not None else None,
        input_keys=frozenset(properties),
        output=parse_output_spec(document.get("output")),
        config=document.get("config", {}),
    )


def _node(name: str, place: int, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Node:
    kind = own.get("type", "task")
    fields = {**defaults.get(kind, {}), **own}
    return Node(
        name=name,
        type=kind,
        position=place,
        spec=node_types()[kind].parse(fields),
        retry=_retry(fields.get("retry", {})),
        timeout_ms=fields.get("timeout_ms", DEFAULT_TIMEOUT_MS),
        wait_timeout_ms=fields.get("wait_timeout_ms"),
        on_error=fields.get("on_error", "fail"),
        parameters=fields.get("parameters", {}),
    )


def _retry(fields: Mapping[str, Any]) -> RetryPolicy:
    given = {name: fields[name] for name in RETRY_FIELDS if name in fields}
    codes = fields.get("retry_on")
    return RetryPolicy(
        **given, jitter=float(fields.get("jitter", 0.0)), retry_on=None if codes is None else tuple(codes)
    )


def _edge(index: int, edge: Any) -> Edge:
    source, target = ends_of(edge)
    node, _, handle = source.partition(":")
    return Edge(index=index, source=node, target=target, handle=handle or None)


def ends_of(edge: Any) -> tuple[str, str]:
    """Source (with its handle after a colon) and target of an edge in the short or the long form."""
    if isinstance(edge, list):
        return edge[0], edge[1]
    source, target = edge["source"], edge["target"]
    if isinstance(source, dict):
        source = f"{source['node']}:{source['port']}" if source.get("port") else source["node"]
    return source, target["node"] if isinstance(target, dict) else target


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
        check=check_of(entry, compiled, found.by_reference),
    )
