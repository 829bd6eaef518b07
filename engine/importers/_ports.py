"""What comes over edges with ports: outputs that stand in the state, and inputs that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.importers._listed import Link
from engine.importers._paths import Steps, guarded, value_at

WHOLE = frozenset({"output", "out", "source", "default", "success", "outputs"})
"""Source ports that stand for the whole output."""
UNNAMED = frozenset({"input", "in", "target", "default", "inputs"})
"""Target ports that say no more than that something comes in."""


MOST = 20
"""So many sources of one port are looked at."""


def inputs_of(links: Sequence[Link], keys: Mapping[str, str], *, certain: bool) -> dict[str, Any]:
    """The `input` of a node: by target port, or by the node that it comes from, what came out of the source port.
    `keys` are the state keys of outputs by node id; a node without one hands nothing on. Over several edges to one
    port comes the first that there is."""
    reads: dict[str, dict[Steps, None]] = {}
    for link in links:
        if (key := keys.get(link.source.id)) is not None:
            port = link.source.name if link.into is None or link.into in UNNAMED else link.into
            steps = (key,) if link.out is None or link.out in WHOLE else (key, link.out)
            reads.setdefault(port, {})[steps] = None
    return {port: _value(list(several)[:MOST], certain) for port, several in reads.items()}


def _value(several: Sequence[Steps], certain: bool) -> Any:
    if len(several) == 1:
        return value_at("state", several[0], certain=certain)
    *others, last = several
    found = guarded("state", last)
    for steps in reversed(others):
        found = guarded("state", steps).removesuffix("null") + f"({found})"
    return {"$expr": found}
