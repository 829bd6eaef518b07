"""Other documents made of one: smaller ones, and other versions of its workflow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from tests.simulation.documents import is_valid

Document = Mapping[str, Any]


def other_version(document: Document, chance: Random) -> dict[str, Any]:
    """What somebody made of a workflow: it lacks something, and a key of its state may mean something else."""
    found = dict(document)
    for _ in range(chance.choice((1, 1, 2, 4))):
        smaller = [*smaller_documents(found)]
        chance.shuffle(smaller)
        found = next((one for one in smaller if is_valid(one)), found)
    state = {
        name: _other_key(entry) if chance.random() < 0.2 else entry for name, entry in found["state_schema"].items()
    }
    changed = {**found, "state_schema": state}
    return changed if is_valid(changed) else found


def _other_key(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A key that is folded in another way, but holds the same values."""
    if entry.get("reducer") in ("add", "max"):
        return {name: value for name, value in entry.items() if name != "reducer"}
    return {**entry, "default": "new"} if entry["type"] == "string" else dict(entry)


def smaller_documents(document: Document) -> Iterator[dict[str, Any]]:
    """All documents that lack one thing: a node, an edge, a key, a field."""
    for name in document["nodes"]:
        yield _without_node(document, name, joined=False)
        yield _without_node(document, name, joined=True)
    for place in range(len(document["edges"])):
        edges = [edge for at, edge in enumerate(document["edges"]) if at != place]
        yield _fitting({**document, "edges": edges})
    for key in document["state_schema"]:
        kept = {name: entry for name, entry in document["state_schema"].items() if name != key}
        yield {**document, "state_schema": kept}
    for name, fields in document["nodes"].items():
        for smaller in _fields(fields):
            yield {**document, "nodes": {**document["nodes"], name: smaller}}
    if sorted(document["nodes"]) != list(document["nodes"]):
        yield {**document, "nodes": dict(sorted(document["nodes"].items()))}


def _without_node(document: Document, name: str, *, joined: bool) -> dict[str, Any]:
    """The document without a node: its edges go too, or lead past it."""
    into = [edge for edge in document["edges"] if edge[1] == name]
    out = [edge for edge in document["edges"] if _source(edge) == name]
    edges = [edge for edge in document["edges"] if edge not in into and edge not in out]
    if joined:
        edges += [[one[0], other[1]] for one in into for other in out if one[1] == name]
    nodes = {other: fields for other, fields in document["nodes"].items() if other != name}
    for other, fields in nodes.items():
        if name in fields.get("targets", ()):
            nodes[other] = {**fields, "targets": [target for target in fields["targets"] if target != name]}
    unique = [edge for at, edge in enumerate(edges) if edge not in edges[:at]]
    return _fitting({**document, "nodes": nodes, "edges": unique})


def _fitting(document: dict[str, Any]) -> dict[str, Any]:
    """Routes keep only the values that still have an edge."""
    nodes = dict(document["nodes"])
    for name, fields in nodes.items():
        if fields["type"] == "route":
            handles = {edge[0].partition(":")[2] for edge in document["edges"] if _source(edge) == name}
            nodes[name] = _fitting_route(fields, handles)
    return {**document, "nodes": nodes}


def _fitting_route(fields: Mapping[str, Any], handles: set[str]) -> dict[str, Any]:
    found = dict(fields)
    if "rules" in fields:
        rules = [{**rule, "to": _kept(rule["to"], handles)} for rule in fields["rules"]]
        found["rules"] = [rule for rule in rules if rule["to"]]
    if "routes" in fields:
        found["routes"] = {value: target for value, target in fields["routes"].items() if value in handles}
    if fields.get("default") not in handles and handles:
        found["default"] = max(handles)
    return found


def _kept(to: str | list[str], handles: set[str]) -> Any:
    if isinstance(to, str):
        return to if to in handles else None
    kept = [handle for handle in to if handle in handles]
    return kept[0] if len(kept) == 1 else kept


def _source(edge: list[str]) -> str:
    return edge[0].partition(":")[0]


def _fields(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, value in fields.items():
        if name in ("type", "default", "items_key", "target_node", "targets", "message"):
            continue
        if name == "updates" and len(value) > 1:
            for key in value:
                yield {**fields, name: {other: update for other, update in value.items() if other != key}}
        elif name == "rules" and len(value) > 1:
            for place in range(len(value)):
                yield {**fields, name: [rule for at, rule in enumerate(value) if at != place]}
        elif name not in ("updates", "rules"):
            yield {other: kept for other, kept in fields.items() if other != name}
