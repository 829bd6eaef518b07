"""A chain of two servers: a workflow of the one asks a workflow of the other, as an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.reachable import reachable
from tests.integration.test_api_agents import accepted
from tests.integration.test_api_agents import asking as ask_agent
from tests.unit.api.serving import Server, a_server, asking, straight, working


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[Server]:
    """The server whose workflows are agents."""
    async with reachable(tmp_path / "far") as found:
        for document in (straight(), asking(), working()):
            await found.post("/workflows", document, 201)
        yield found


def near(**fields: Any) -> dict[str, Any]:
    document = ask_agent("near", **fields)
    document["nodes"]["ask"].pop("prompt_template")
    return document


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """The server that asks."""
    async with a_server(tmp_path / "near") as found:
        await found.post("/workflows", near(input={"n": "{{ state.topic }}"}), 201)
        await found.post("/workflows", {**near(), "id": "empty"}, 201)
        yield found


async def hired(server: Server, far: Server, workflow: str, alias: str = "") -> Any:
    url = f"{far.wired.base_url}/a2a{alias}/{workflow}"
    return await server.post("/workers", {"id": "far", "protocol": "a2a", "url": url, "tags": ["m"]}, 201)


async def begun(server: Server, workflow: str, **body: Any) -> str:
    return str((await server.post(f"/workflows/{workflow}/runs", body, 201))["id"])


@pytest.mark.parametrize("alias", ["", "/v1", "/v0.3"])
async def test_the_input_goes_there_and_the_output_comes_back(server: Server, far: Server, alias: str) -> None:
    row = await hired(server, far, "straight", alias)
    run = await server.settled(await begun(server, "near", input={"topic": 4}))
    assert run["state"]["out"] == {"n": 5}
    assert row["metadata"]["card"]["skills"] == ["straight"]


@pytest.mark.parametrize("alias", ["", "/v1", "/v0.3"])
async def test_a_question_goes_through_the_chain_with_its_schema(server: Server, far: Server, alias: str) -> None:
    await hired(server, far, "asking", alias)
    run_id = await begun(server, "empty")
    run = await server.settled(run_id)
    assert run["status"] == "interrupted"
    [asked] = (await server.get(f"/interrupts?run_id={run_id}"))["items"]
    assert asked["message"] == "how many?"
    await server.post(f"/runs/{run_id}/resume", {"resume": 7})
    assert (await server.settled(run_id))["state"]["out"] == {"answer": 7}
    assert len((await far.get("/runs"))["items"]) == 1


async def test_a_session_goes_along_and_a_cancel_too(server: Server, far: Server) -> None:
    await hired(server, far, "working")
    run_id = await begun(server, "empty", session_id="talk-1")
    await accepted(server, run_id)
    [theirs] = (await far.get("/runs"))["items"]
    assert theirs["session_id"] == "talk-1"
    await server.post(f"/runs/{run_id}/cancel")
    assert (await far.settled(theirs["id"]))["status"] == "cancelled"


async def test_a_cancel_goes_through_the_chain_while_a_question_is_open(server: Server, far: Server) -> None:
    await hired(server, far, "asking")
    run_id = await begun(server, "empty")
    assert (await server.settled(run_id))["status"] == "interrupted"
    [theirs] = (await far.get("/runs"))["items"]
    assert theirs["status"] == "interrupted"
    await server.post(f"/runs/{run_id}/cancel")
    assert (await over(far, theirs["id"]))["status"] == "cancelled"


async def over(server: Server, run_id: str) -> Any:
    """A run that waits for somebody, once it does not any more."""
    told = server.wired.streams.stream(run_id, modes=frozenset({"values"}), after=None, from_now=False, until=None)
    async for events in told:
        if any(event.data.get("status") == "cancelled" for event in events):
            break
    return await server.get(f"/runs/{run_id}")
