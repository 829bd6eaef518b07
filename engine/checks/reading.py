"""How parts of a document are read: the ends of an edge, the node fields with their defaults, the keys of an input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.values import dataclass

DEFAULT_TYPE = "task"
IN_PLACE = ("allOf", "anyOf", "oneOf")
BRANCHES = ("if", "then", "else")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """What an edge says: source node, handle, target node; `short` is the form `["source:handle", "target"]`."""

    source: str
    handle: str | None
    target: str
    short: bool


def ends_of(edge: Any) -> Ends | None:
    """The ends of an edge in the short or the long form, None for what has neither."""
    if isinstance(edge, list):
        if len(edge) != 2 or not all(isinstance(end, str) for end in edge):
            return None
        node, colon, handle = edge[0].partition(":")
        return Ends(source=node, handle=handle if colon else None, target=edge[1], short=True)
    if not isinstance(edge, dict):
        return None
    source, target = _end(edge.get("source")), _end(edge.get("target"))
    if source is None or target is None:
        return None
    return Ends(source=source[0], handle=source[1], target=target[0], short=False)


def _end(end: Any) -> tuple[str, str | None] | None:
    """Node and port of an end in the long form; an empty port is none."""
    if not isinstance(end, dict) or not isinstance(end.get("node"), str):
        return None
    port = end.get("port")
    return (end["node"], port or None) if port is None or isinstance(port, str) else None


def fields_of(own: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a node over the defaults of its type, field by field."""
    return {**defaults.get(own.get("type", DEFAULT_TYPE), {}), **own}


def names_of(value: str | Sequence[str]) -> list[str]:
    """The names in a field that takes one or a list of them."""
    return [value] if isinstance(value, str) else list(value)


def input_keys(schema: Any) -> frozenset[str]:
    """The keys that an input schema declares: its `properties`, also those of schemas that apply in place."""
    return frozenset(_properties(schema, schema, 0))


def _properties(schema: Any, root: Any, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or depth > 8:
        return
    if isinstance(declared := schema.get("properties"), dict):
        yield from declared
    inner = [part for word in IN_PLACE if isinstance(parts := schema.get(word), list) for part in parts]
    inner += [schema[word] for word in BRANCHES if word in schema]
    if isinstance(name := schema.get("$ref"), str):
        inner.append(_local(root, name))
    for part in inner:
        yield from _properties(part, root, depth + 1)


def _local(root: Any, name: str) -> Any:
    """What a reference inside the schema names, None for any other."""
    if not name.startswith("#/"):
        return None
    for token in name[2:].split("/"):
        root = root.get(token.replace("~1", "/").replace("~0", "~")) if isinstance(root, dict) else None
    return root
