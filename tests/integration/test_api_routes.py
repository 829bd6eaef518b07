"""Routes by value: what the value is compared with is its shortest text."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server

VALUES = ("2", "2.5", "1e+21", "true", "null", "two")
NODES = {f"n{place}": {"type": "transform", "updates": {"taken": value}} for place, value in enumerate(VALUES)}
ROUTES = {value: name for name, value in zip(NODES, VALUES, strict=True)}
DOCUMENTS = (
    {
        "id": "choosing",
        "state_schema": {"x": {}, "taken": {"type": "string"}},
        "nodes": {"r": {"type": "route", "input": "state.x", "routes": ROUTES}, **NODES},
        "edges": [
            ["__start__", "r"],
            *([f"r:{value}", name] for value, name in ROUTES.items()),
            *([name, "__end__"] for name in NODES),
        ],
    },
)


@pytest.mark.parametrize(
    ("value", "taken"),
    [("2", "2"), ("2.0", "2"), ("2e0", "2"), ("2.50", "2.5"), ("1e21", "1e+21"), ("true", "true"), ("null", "null"),
     ('"two"', "two"), ('"2"', "2")],
)  # fmt: skip
async def test_a_value_takes_the_route_of_its_shortest_text(server: Server, value: str, taken: str) -> None:
    body = f'{{"input": {{"x": {value}}}}}'
    response = await server.http.post("/workflows/choosing/runs?wait=10", content=body)
    run: dict[str, Any] = response.json()
    assert (run["status"], run["state"].get("taken")) == ("completed", taken)
