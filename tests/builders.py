"""Documents and graphs for tests, with no more in them than a test is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from engine.graph import Graph
from engine.parse import parse

STATE: dict[str, Any] = {
    "log": {"type": "array", "reducer": "append"},
    "n": {"type": "integer", "reducer": "add"},
    "last": {"type": "string"},
    "items": {"type": "array", "default": []},
    "send_results": {"type": "array"},
}


def document(
    nodes: Mapping[str, Mapping[str, Any]],
    edges: Sequence[tuple[str, str]],
    state: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A workflow with these nodes and edges, over STATE where nothing else is said."""
    return {
        "id": "tested",
        "state_schema": dict(STATE if state is None else state),
        "nodes": {name: dict(fields) for name, fields in nodes.items()},
        "edges": [list(edge) for edge in edges],
        **more,
    }


def graph_of(found: Mapping[str, Any], version: int = 1) -> Graph:
    """The graph of a document."""
    return parse(found, str(found.get("id", "tested")), version)


def task(**fields: Any) -> dict[str, Any]:
    """A task; what its worker answers under `log` is appended to `log`."""
    return {"type": "task", **fields}


def writes(**updates: Any) -> dict[str, Any]:
    """A transform with these updates."""
    return {"type": "transform", "updates": updates}


def route(default: str, *rules: tuple[str, str | list[str]]) -> dict[str, Any]:
    """A route: (expression, handle) in order, else the default."""
    return {"type": "route", "rules": [{"when": when, "to": to} for when, to in rules], "default": default}


def chain(*names: str) -> list[tuple[str, str]]:
    """The edges of a line from the start to the end."""
    return list(pairwise(("__start__", *names, "__end__")))
