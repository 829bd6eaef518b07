"""Makes a failing case smaller while it keeps failing: fewer nodes, edges, keys, fields and items of input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.simulation.documents import is_valid
from tests.simulation.trial import Case, Failed, Trial

MOST_TRIALS = 1500
NAMED = re.compile(r"'[^']*'|[0-9]+|[\[{(].*")

Document = Mapping[str, Any]


def failure_of(case: Case) -> Failed | None:
    """How a case fails, if it does."""
    try:
        Trial(case).check()
    except Failed as failed:
        return failed
    return None


def kind_of(failed: Failed) -> str:
    """What failures of one sort share: their words, without names, numbers and values."""
    last = failed.message.strip().splitlines()[-1]
    if last.startswith("verify: "):
        last = last.split(": ")[2].split(";")[0]
    return NAMED.sub("", last)[:24]


def shrink(case: Case, failed: Failed, told: Callable[[str], None]) -> tuple[Case, Failed]:
    """The smallest case found that fails in the same way."""
    kind, trials = kind_of(failed), 0
    smaller = True
    while smaller and trials < MOST_TRIALS:
        smaller = False
        for candidate in _smaller(case):
            trials += 1
            found = failure_of(candidate) if is_valid(dict(candidate.document)) else None
            if found is not None and kind_of(found) == kind:
                case, failed, smaller = candidate, found, True
                told(f"{len(case.document['nodes'])} nodes, {len(case.document['edges'])} edges")
                break
            if trials >= MOST_TRIALS:
                break
    return case, failed


def _smaller(case: Case) -> Iterator[Case]:
    for document in _documents(case.document):
        yield Case(case.seed, document, {key: v for key, v in case.given.items() if key in document["state_schema"]})
    for key in case.given:
        yield replace(case, given={name: value for name, value in case.given.items() if name != key})


def _documents(document: Document) -> Iterator[dict[str, Any]]:
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
