"""The graphs inside a document: each is checked as a document of its own, and none is nested too deeply."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.checks.draft import Draft, DraftNode
from engine.checks.problem import Findings, shown
from engine.checks.reading import fields_of
from engine.nodes._common import pointer
from engine.plugins import node_types

MAX_DEPTH = 10
"""How many graphs may be nested in a document (language 2.2)."""

MAX_NODES = 20_000
"""How many nodes there may be with all the graphs that nodes run, each as often as it is run."""

Named = Mapping[str, Any]
Check = Callable[[Mapping[str, Any], Findings, Named], None]
"""Checks a document, with the graphs that are named around it."""


def check_subgraphs(draft: Draft, around: Named, findings: Findings, check: Check) -> None:
    """Every graph that a node runs is there, is right, and takes what is mapped into it; so are the named ones."""
    named = {**around, **draft.top.get("subgraphs", {})}
    for name, document in draft.top.get("subgraphs", {}).items():
        if _height(document, named) < MAX_DEPTH:
            _check_inside(document, f"/subgraphs/{pointer(name)}", None, named, findings, check)
    for node in draft.nodes.values():
        find = getattr(node.module, "definition", None)
        if find is not None and node.whole:
            _check_node(node, find(node.fields, named), named, findings, check)


def _check_node(node: DraftNode, found: tuple[str, Any] | None, named: Named, findings: Findings, check: Check) -> None:
    sources = [field for field in ("definition", "subgraph", "workflow") if field in node.fields]
    if len(sources) != 1:
        return  # its type says so
    source = sources[0]
    if found is None:
        wanted = node.fields.get(source)
        message = f"unknown graph: there is no {source} `{shown(wanted)}`"
        hint = findings.nearest(wanted, named) if source == "subgraph" and isinstance(wanted, str) else None
        findings.error("subgraph.unknown", node.at(f"/{source}"), message, node=node.name, hint=hint)
        return
    name, document = found
    if _height(document, named) > MAX_DEPTH:
        message = f"graphs may be nested {MAX_DEPTH} deep; these are deeper, or run themselves"
        findings.error("subgraph.depth", node.at(f"/{source}"), message, node=node.name)
        return
    if not name:
        _check_inside(document, node.at("/definition"), node.name, named, findings, check)
    _check_input(node, document, findings)


def _check_inside(document: Any, path: str, node: str | None, named: Named, findings: Findings, check: Check) -> None:
    inner = Findings()
    check(document, inner, named)
    for problem in inner.problems():
        where = "/".join(filter(None, (node, problem.node))) or None
        add = findings.error if problem.severity == "error" else findings.warning
        add(problem.code, path + problem.path, problem.message, node=where, hint=problem.hint)


def _check_input(node: DraftNode, document: Mapping[str, Any], findings: Findings) -> None:
    """What is mapped into a graph is declared there."""
    state = document.get("state_schema", document.get("schema", {}))
    schema = document.get("input_schema")
    given = schema.get("properties", {}) if isinstance(schema, dict) else {}
    known = [*(state if isinstance(state, dict) else ()), *(given if isinstance(given, dict) else ())]
    for key in node.fields.get("input_mapping", {}):
        if key not in known:
            message = f"the graph declares no `{shown(key)}`, neither in `state_schema` nor in `input_schema`"
            place = node.at(f"/input_mapping/{pointer(key)}")
            findings.error("mapping.type", place, message, node=node.name, hint=findings.nearest(key, known))


Measured = dict[tuple[int, int], tuple[int, Any]]
"""What was measured, by a document and the graphs named around it; both are held on to, so that their ids stay."""


def _height(document: Any, named: Named, depth: int = 1, known: Measured | None = None) -> int:
    """How many graphs are nested here, this one counted; one too many also stands for more, and for graphs that run
    themselves. Each graph is measured once, however many run it."""
    known = {} if known is None else known
    if depth > MAX_DEPTH or not isinstance(document, dict):
        return 1
    key = (id(document), id(named))
    if key not in known:
        known[key] = (MAX_DEPTH + 1, document)  # as long as it is being measured
        inside = _inside(document, named)
        below = (_height(child, inside, depth + 1, known) for child in _children(document, inside))
        known[key] = (min(1 + max(below, default=0), MAX_DEPTH + 1), (document, inside))
    return known[key][0]


def size_of(document: Any, named: Named, depth: int = 1, known: Measured | None = None) -> int:
    """How many nodes there are with all the graphs that nodes run, each as often as it is run; of graphs that are
    nested too deeply, or run themselves, not all count."""
    known = {} if known is None else known
    if depth > MAX_DEPTH or not isinstance(document, dict):
        return 0
    key = (id(document), id(named))
    if key not in known:
        known[key] = (0, document)  # as long as it is being counted
        inside, nodes = _inside(document, named), document.get("nodes")
        below = sum(size_of(child, inside, depth + 1, known) for child in _run_in(document, inside))
        known[key] = ((len(nodes) if isinstance(nodes, dict) else 0) + below, (document, inside))
    return known[key][0]


def _inside(document: Mapping[str, Any], named: Named) -> Named:
    """The graphs that are named in a document and around it."""
    return {**named, **document["subgraphs"]} if isinstance(document.get("subgraphs"), dict) else named


def _children(document: Mapping[str, Any], named: Named) -> list[Any]:
    """The graphs that nodes run, each once."""
    return list({id(child): child for child in _run_in(document, named)}.values())


def _run_in(document: Mapping[str, Any], named: Named) -> Iterator[Any]:
    """The graph that each node runs, of those that run one."""
    nodes, defaults = document.get("nodes"), document.get("defaults")
    for own in nodes.values() if isinstance(nodes, dict) else ():
        kind = own.get("type", "task") if isinstance(own, dict) else None
        module = node_types().get(kind) if isinstance(kind, str) else None
        if (find := getattr(module, "definition", None)) is not None:
            fields = fields_of(own, defaults if isinstance(defaults, dict) else {})
            if (child := find(fields, named)) is not None:
                yield child[1]
