"""Which documents are looked at beside the event loop."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from api.apart import FEW, apart

MANY: dict[str, Any] = {"nodes": {f"n{number}": {} for number in range(FEW)}}
DENSE: dict[str, Any] = {"nodes": {"a": {}}, "edges": [["a", "a"]] * FEW}


@pytest.mark.parametrize(
    ("document", "beside"),
    [
        ({"nodes": {"a": {}}, "edges": [["__start__", "a"]]}, False),
        (MANY, True),
        (DENSE, True),
        ({"nodes": {"a": {"type": "subgraph", "definition": DENSE}}}, True),
        ({"nodes": {}, "subgraphs": {"inner": MANY}}, True),
        ([MANY], False),
        ({"nodes": [1, {"definition": 3}], "edges": 4, "subgraphs": "x"}, False),
    ],
)
async def test_what_takes_long_is_done_beside_the_loop(document: Any, beside: bool) -> None:
    here = threading.get_ident()

    found = await apart(document, threading.get_ident)

    assert (found != here) is beside
