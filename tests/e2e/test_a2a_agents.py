"""Agents on the official SDKs of Agent2Agent as workers, each in an environment of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_a2a_peers import PEERS, python_of
from tests.integration.reachable import reachable
from tests.integration.test_api_streams import streamed
from tests.unit.api.serving import Server, a_server

READY_S = 60.0
SCRIPTS = {"1.3": "agent_v1.py", "0.3": "agent_v03.py"}
EACH = [pytest.param(version, marks=pytest.mark.xdist_group(f"a2a-{version}")) for version in SCRIPTS]


@asynccontextmanager
async def sdk_agent(version: str, mode: str) -> AsyncIterator[str]:
    """The address of an agent on an SDK, as long as the block lasts."""
    python = await asyncio.to_thread(python_of, version)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        str(python), str(PEERS / SCRIPTS[version]), mode,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=env,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_S):
            address = (await process.stdout.readline()).decode().strip()
        assert address.startswith("http://")
        yield address
    finally:
        process.kill()
        await process.wait()


def telling(workflow_id: str = "telling", **node: Any) -> dict[str, Any]:
    """A workflow that tells an agent its input."""
    fields = {
        "type": "agent", "worker_tags": ["talk"], "prompt_template": "{{ state.say }}", "output_key": "out", **node,
    }  # fmt: skip
    return {
        "id": workflow_id,
        "state_schema": {"say": {"type": "string"}, "out": {}},
        "nodes": {"ask": fields},
        "edges": [["__start__", "ask"], ["ask", "__end__"]],
    }


async def register(server: Server, url: str) -> Any:
    await server.post("/workflows", telling(), 201)
    await server.post("/workflows", telling("turns", max_turns=2, continuation_prompt="go on"), 201)
    return await server.post("/workers", {"id": "sdk", "protocol": "a2a", "url": url, "max_concurrent": 4}, 201)


async def begin(server: Server, say: str, workflow: str = "telling") -> str:
    return str((await server.post(f"/workflows/{workflow}/runs", {"input": {"say": say}}, 201))["id"])


async def told(server: Server, say: str, workflow: str = "telling") -> Any:
    return await server.settled(await begin(server, say, workflow))


@pytest.mark.parametrize("mode", ["streaming", "plain"])
@pytest.mark.parametrize("version", EACH)
async def test_an_agent_on_the_official_sdk_does_what_it_is_told(tmp_path: Path, version: str, mode: str) -> None:
    async with sdk_agent(version, mode) as url, a_server(tmp_path) as server:
        row = await register(server, url)
        assert (row["tags"], row["metadata"]["card"]["name"]) == (["talk", "sdk"], "sdk")

        run = await told(server, "hello")
        assert (run["status"], run["state"]["out"]) == ("completed", "You said hello")
        assert (await told(server, "data"))["state"]["out"] == {"n": [1, 2]}
        failed = await told(server, "fail")
        assert (failed["error"]["code"], failed["error"]["message"]) == ("agent.failed", "no luck")
        if mode == "streaming":
            events = await streamed(server, f"/runs/{run['id']}/stream?mode=custom")
            custom = [event["data"] for event in events if event["event"] == "custom"]
            assert custom[0]["message"] == "at it"
            assert "".join(part["text"] for one in custom for part in one["chunks"] or ()) == "You said hello"


@pytest.mark.parametrize("mode", ["streaming", "plain"])
@pytest.mark.parametrize("version", EACH)
async def test_its_question_is_answered_in_its_task(tmp_path: Path, version: str, mode: str) -> None:
    async with sdk_agent(version, mode) as url, a_server(tmp_path) as server:
        await register(server, url)
        run = await told(server, "ask")
        assert run["status"] == "interrupted"
        [asked] = (await server.get(f"/interrupts?run_id={run['id']}"))["items"]
        assert asked["message"] == "which city?"
        await server.post(f"/runs/{run['id']}/resume", {"resume": "Rome"})
        assert (await server.settled(run["id"]))["state"]["out"] == "You said Rome"
        assert (await told(server, "ask", "turns"))["state"]["out"] == "You said go on"


@pytest.mark.parametrize("mode", ["streaming", "plain"])
@pytest.mark.parametrize("version", EACH)
async def test_its_task_is_cancelled_and_found_again(tmp_path: Path, version: str, mode: str) -> None:
    async with sdk_agent(version, mode) as url:
        async with a_server(tmp_path) as server:
            await register(server, url)
            run_id, other = await begin(server, "wait"), await begin(server, "later")
            for each in (run_id, other):
                await taken(server, each)
            await server.post(f"/runs/{run_id}/cancel")
            assert (await server.settled(run_id))["status"] == "cancelled"
        async with a_server(tmp_path) as server:
            run = await server.settled(other)
            assert (run["status"], run["state"]["out"]) == ("completed", "You said later")


async def taken(server: Server, run_id: str) -> None:
    """Wait until it is durable that the agent has a task of a run."""
    events = server.wired.streams.stream(run_id, modes=frozenset({"debug"}), after=None, from_now=False, until=None)
    async for page in events:
        if any(event.data.get("status") == "accepted" for event in page):
            return


@pytest.mark.parametrize("version", EACH)
async def test_its_pushes_are_heard(tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatch._a2a.following.FIRST_S", 3600.0)
    monkeypatch.setattr("dispatch._a2a.following.LONGEST_S", 3600.0)
    monkeypatch.setattr("dispatch._a2a.following.PUSHED_S", 3600.0)
    async with sdk_agent(version, "pushing") as url, reachable(tmp_path) as server:
        await register(server, url)
        run = await told(server, "later")
    assert (run["status"], run["state"]["out"]) == ("completed", "You said later")
