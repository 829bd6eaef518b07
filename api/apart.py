"""Work on large documents beside the event loop: a tenth of a second, in which nobody else would be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

FEW_NODES = 200
"""Documents with no more nodes are looked at in a few milliseconds."""


async def apart(document: Any, work: Callable[[], T]) -> T:
    """What `work` on a document gives, from a thread where the document is large. The loop and the thread take turns
    then, each for some milliseconds."""
    nodes = document.get("nodes") if isinstance(document, dict) else None
    if not isinstance(nodes, dict | list) or len(nodes) <= FEW_NODES:
        return work()
    return await asyncio.to_thread(work)
