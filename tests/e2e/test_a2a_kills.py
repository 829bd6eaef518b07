"""Agents and servers that are killed in the middle of a task: it is gone on with, and nothing is sent twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import Client, client_of, serving
from tests.e2e.test_a2a_agents import EACH, sdk_agent, telling
from tests.e2e.test_artifact_kills import finished, told
from tests.unit.dispatch.agents import AgentPeer, agent_peer, artifact, never, status

PATIENCE_S = 60.0
LOOK_EVERY_S = 0.01


async def registered(client: Client, name: str, url: str) -> None:
    row = {"id": name, "protocol": "a2a", "url": url, "tags": ["talk"], "max_concurrent": 4}
    await client.ask("POST", "/workers", row)


async def taken(db: Path) -> None:
    """Wait until it is durable that an agent has the task."""
    async with asyncio.timeout(PATIENCE_S):
        while not told(db, "SELECT n FROM events WHERE kind = 'accepted'"):  # noqa: ASYNC110 - a process
            await asyncio.sleep(LOOK_EVERY_S)


async def comes_to(agent: AgentPeer, what: Any) -> None:
    await agent.happens(agent.tasks["task-1"], what)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("version", ["1.0", "0.3"])
async def test_a_server_that_is_killed_goes_on_with_the_task_that_an_agent_has(
    tmp_path: Path, version: str, streaming: bool
) -> None:
    async with (
        agent_peer(version, streaming=streaming) as agent,
        serving(tmp_path) as server,
        client_of(server.url) as client,
    ):
        agent.script = [never]
        await client.save(telling())
        await registered(client, "a", agent.url)
        run_id = str((await client.start("telling", input={"say": "hi"}))["id"])
        await taken(server.db)
        server.kill()
        await comes_to(agent, artifact("here"))
        await server.start()
        await comes_to(agent, status("completed"))
        assert (await finished(client, run_id))["state"]["out"] == "here"
    assert len(agent.said) == 1


@pytest.mark.parametrize("version", EACH)
async def test_the_task_of_an_agent_that_is_killed_is_done_by_another(tmp_path: Path, version: str) -> None:
    retry = {"max_attempts": 2, "initial_interval_ms": 10}
    async with serving(tmp_path) as server, client_of(server.url) as client:
        await client.save(telling(timeout_ms=3000, retry=retry))
        async with sdk_agent(version, "streaming") as first:
            await registered(client, "first", first)
            run_id = str((await client.start("telling", input={"say": "later"}))["id"])
            await taken(server.db)
        async with sdk_agent(version, "streaming") as other:
            await registered(client, "other", other)
            run = await finished(client, run_id)
    [task] = run["tasks"]
    assert (run["state"]["out"], task["attempt"], task["worker_id"]) == ("You said later", 2, "other")
