"""Everything that is wrong with a workflow document, at once and with places (language 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.checks.document import check_size, check_stops, read_top
from engine.checks.draft import Draft
from engine.checks.edges import check_calls, check_gotos, check_routes, read_edges
from engine.checks.entries import check_node_schemas, check_schema, read_state
from engine.checks.flow import check_flow, trace
from engine.checks.joins import check_quorums
from engine.checks.kinds import check_given
from engine.checks.names import check_names
from engine.checks.nodes import read_nodes
from engine.checks.problem import Findings, Problem
from engine.checks.race import check_races
from engine.checks.subgraphs import MAX_NODES, check_subgraphs, size_of
from engine.values import dataclass
from reducers._errors import described

__all__ = ["DEFAULT_LIMITS", "Limits", "Problem", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a document may have: nodes, and bytes of compact JSON."""

    max_nodes: int = 2000
    max_bytes: int = 4 * 1024 * 1024


DEFAULT_LIMITS = Limits()


def validate(document: Any, limits: Limits = DEFAULT_LIMITS) -> tuple[Problem, ...]:
    """All problems of a document, which may be any JSON value; never raises."""
    findings = Findings()
    if not isinstance(document, dict):
        findings.error("document.type", "", f"expected a workflow in an object, got {described(document)}")
    elif check_size(document, limits.max_bytes, findings) and _check_nodes(document, limits, findings):
        _check(document, findings)
    return findings.problems()


def _check_nodes(document: Mapping[str, Any], limits: Limits, findings: Findings) -> bool:
    """Whether there are not too many nodes: beyond the limit nothing else is looked at."""
    nodes = document.get("nodes")
    count = len(nodes) if isinstance(nodes, dict) else 0
    if count > limits.max_nodes:
        message = f"the document has {count:,} nodes, more than the {limits.max_nodes:,} allowed"
        findings.error("limit.nodes", "/nodes", message)
        return False
    if (size := size_of(document, {})) > MAX_NODES:
        message = f"with all the graphs that its nodes run it has {size:,} nodes, more than the {MAX_NODES:,} allowed"
        findings.error("limit.nodes", "/nodes", message)
        return False
    return True


def _check(document: Mapping[str, Any], findings: Findings, around: Mapping[str, Any] | None = None) -> None:
    top = read_top(document, findings)
    if "input_schema" in top:
        check_schema(top["input_schema"], "/input_schema", findings)
    state = read_state(document, top, findings)
    nodes = read_nodes(top, findings)
    edges, wrong = read_edges(top, nodes, findings)
    check_routes(nodes, edges, findings)
    called, gotos = check_calls(nodes, findings), check_gotos(nodes, findings)
    draft = Draft(top=top, state=state, nodes=nodes, edges=edges, wrong=wrong, called=called, gotos=gotos)
    for node in nodes.values():
        check_node_schemas(node, findings)
    check_subgraphs(draft, around or {}, findings, _check)
    check_names(draft, findings)
    check_stops(top, nodes, findings)
    check_quorums(draft, findings)
    check_given(draft, findings)
    if "nodes" in top and "edges" in top:
        flow = trace(draft)
        check_flow(draft, flow, findings)
        check_races(draft, flow, findings)
