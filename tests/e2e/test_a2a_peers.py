"""Our agents asked by the official clients of Agent2Agent, each in an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, Client, Server
from tests.environments import CACHE, Missing, environment
from tests.unit.api.serving import asking, straight, working

PEERS = ROOT / "tests" / "peers"
PATIENCE_S = 120.0


def python_of(version: str) -> Path:
    """The Python with the official SDK of a version; without it the test is skipped, and fails in CI."""
    try:
        return environment(PEERS / f"a2a-{version}.txt", CACHE / "peers")
    except Missing as missing:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            raise
        pytest.skip(f"the official SDK cannot be had here: {missing}")


async def ran(version: str, script: str, *args: str) -> Any:
    """What a script says in the environment of an SDK."""
    python = await asyncio.to_thread(python_of, version)
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        str(python), str(PEERS / script), *args,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            told, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()[-3000:]
    return json.loads(told)


@pytest.mark.xdist_group("a2a-1.3")
@pytest.mark.parametrize("alias", ["", "/v1"])
async def test_the_official_client_of_1_0_gets_on_with_our_agents(server: Server, client: Client, alias: str) -> None:
    for document in (straight(), asking(), working()):
        await client.save(document)
    found = await ran("1.3", "client_v1.py", f"{server.url}/a2a{alias}")

    assert found["unary"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert found["unary"]["artifacts"][0]["parts"][0]["data"] == {"n": 5}
    assert "task" in found["stream"][0]
    assert found["stream"][-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
    for name in ("ask", "ask_streaming"):
        assert found[name][0]["status"]["state"].endswith(("WORKING", "SUBMITTED", "INPUT_REQUIRED"))
    assert found["ask"][1]["task"]["artifacts"][0]["parts"][0]["data"] == {"answer": 7}
    assert found["cancel"][1]["status"]["state"] == "TASK_STATE_CANCELED"
    assert "task" in found["resubscribe"][0]
    assert found["resubscribe"][-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_CANCELED"
    task, got, listed = found["look"]
    assert (got["id"], [one["id"] for one in listed]) == (task["id"], [task["id"]])


@pytest.mark.xdist_group("a2a-0.3")
@pytest.mark.parametrize("alias", ["", "/v0.3"])
async def test_the_official_client_of_0_3_gets_on_with_our_agents(server: Server, client: Client, alias: str) -> None:
    for document in (straight(), asking(), working()):
        await client.save(document)
    found = await ran("0.3", "client_v03.py", f"{server.url}/a2a{alias}")

    assert found["unary"]["status"]["state"] == "completed"
    assert found["unary"]["artifacts"][0]["parts"][0]["data"] == {"n": 5}
    assert found["stream"][-1]["task"]["status"]["state"] == "completed"
    for name in ("ask", "ask_streaming"):
        assert found[name][0]["status"]["state"] == "input-required"
        assert found[name][1]["task"]["artifacts"][0]["parts"][0]["data"] == {"answer": 7}
    assert found["cancel"][1]["status"]["state"] == "canceled"
    assert found["resubscribe"][-1]["task"]["status"]["state"] == "canceled"
    task, got = found["look"]
    assert got["id"] == task["id"]
