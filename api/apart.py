"""Work on large documents beside the event loop: a second, in which nobody else would be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FEW = 400
"""Documents with no more nodes and edges, those of the graphs inside counted, are looked at in a few milliseconds."""


async def apart(document: Any, work: Callable[[], T]) -> T:
    """What `work` on a document gives, from a thread where the document is large. The loop and the thread take turns
    then, each for some milliseconds."""
    return await asyncio.to_thread(work) if _is_large(document) else work()


def _is_large(document: Any) -> bool:
    count, todo = 0, [document]
    while todo and count <= FEW:
        graph = todo.pop()
        if isinstance(graph, dict):
            nodes, inner = _inside(graph, "nodes"), _inside(graph, "subgraphs")
            count += 1 + len(nodes) + len(_inside(graph, "edges"))
            todo += [node["definition"] for node in nodes if isinstance(node, dict) and "definition" in node]
            todo += inner
    return count > FEW


def _inside(graph: dict[str, Any], field: str) -> list[Any]:
    found = graph.get(field)
    return list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else []
