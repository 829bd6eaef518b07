"""Workflows that another one runs: copied into its version when that is saved, and taken over anew when it is again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.serving import Server, straight

PARENT: dict[str, Any] = {
    "id": "parent",
    "state_schema": {"n": {"type": "integer"}},
    "nodes": {"s": {"type": "subgraph", "workflow": "straight", "output_mapping": {"n": "n"}}},
    "edges": [["__start__", "s"], ["s", "__end__"]],
}


def adding(more: int) -> dict[str, Any]:
    document: dict[str, Any] = straight()
    document["nodes"]["a"]["updates"]["n"] = more
    return document


async def saved(server: Server, document: Any) -> int:
    return int((await server.call("PUT", f"/workflows/{document['id']}", json=document))["version"])


async def result(server: Server) -> Any:
    return (await server.post("/workflows/parent/runs?wait=10", {}, 201))["state"]["n"]


@pytest.fixture
async def parent(server: Server) -> dict[str, Any]:
    """A parent whose child is newer than its copy: as it is read."""
    await server.post("/workflows", adding(1), 201)
    await server.post("/workflows", PARENT, 201)
    await saved(server, adding(1000))
    stored: dict[str, Any] = (await server.get("/workflows/parent"))["definition"]
    return stored


async def test_a_copy_never_changes_by_itself(server: Server, parent: Any) -> None:
    assert await result(server) == 1


async def test_a_newer_child_is_taken_over_when_its_parent_is_saved_again(server: Server, parent: Any) -> None:
    assert [await saved(server, PARENT) for _ in range(2)] == [2, 2]
    assert await result(server) == 1000


async def test_a_parent_that_is_saved_as_it_was_read_keeps_its_copies(server: Server, parent: Any) -> None:
    assert await saved(server, parent) == 1
    assert await result(server) == 1


async def test_a_child_that_is_gone_changes_nothing(server: Server, parent: Any) -> None:
    await server.call("DELETE", "/workflows/straight", 204)
    assert await saved(server, PARENT) == 1
    assert await result(server) == 1
