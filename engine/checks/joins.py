"""Whether what a join waits for can come."""

from __future__ import annotations

from collections import Counter

from engine.checks.draft import Draft
from engine.checks.problem import Findings, shown


def check_quorums(draft: Draft, findings: Findings) -> None:
    """A quorum is no larger than the number of edges that lead to its node."""
    leading = Counter(edge.target for edge in (*draft.edges, *draft.wrong))
    for node in draft.nodes.values():
        join, most = node.fields.get("join"), leading[node.name]
        if isinstance(join, dict) and join["quorum"] > most and (most or node.name not in draft.called):
            message = f"`{shown(node.name)}` needs arrivals over {join['quorum']} edges, and only {most} lead to it"
            findings.error("join.quorum", node.at("/join/quorum"), message, node=node.name)
