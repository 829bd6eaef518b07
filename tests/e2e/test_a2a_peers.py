"""Our agents asked by the official clients of Agent2Agent, each in an environment of its own."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, Client, Server, serving
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


FILING = straight("filing", state_schema={"n": {"type": "integer", "reducer": "add"}, "files": {"type": "array"}})


def check_file(modes: list[str], task: Any, fetched: str) -> None:
    """A file came as it was sent, to a skill that says that it takes files."""
    assert modes[-1] == "*/*"
    [file] = task["artifacts"][0]["parts"][0]["data"]["files"]
    assert (file["name"], file["media_type"], file["size"]) == ("a.png", "image/png", 10)
    content = bytes.fromhex(fetched)
    assert (content, file["sha256"]) == (b"\xfb\xff\xfe thread", hashlib.sha256(content).hexdigest())


@pytest.mark.xdist_group("a2a-1.3")
@pytest.mark.parametrize("alias", ["", "/v1"])
async def test_the_official_client_of_1_0_gets_on_with_our_agents(server: Server, client: Client, alias: str) -> None:
    for document in (straight(), asking(), working(), FILING):
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
    check_file(*found["file"])


@pytest.mark.xdist_group("a2a-0.3")
@pytest.mark.parametrize("alias", ["", "/v0.3"])
async def test_the_official_client_of_0_3_gets_on_with_our_agents(server: Server, client: Client, alias: str) -> None:
    for document in (straight(), asking(), working(), FILING):
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
    check_file(*found["file"])


# ---- pushes, and the extended card

TOKEN = "secret"


@asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[Server]:
    """A server with a token, that may push to this machine."""
    workflows = folder / "workflows"
    workflows.mkdir()
    for document in (straight(), asking()):
        (workflows / f"{document['id']}.json").write_text(json.dumps(document))
    env = {"CLEW_TOKEN": TOKEN, "CLEW_WORKFLOWS": str(workflows), "CLEW_PRIVATE_PUSHES": "1"}
    async with serving(folder, env=env) as server:
        yield server


def nodes_in(card: Any) -> Any:
    """What an extended card says that a workflow is made of."""
    params = [one.get("params", {}) for one in card["capabilities"]["extensions"]]
    return next(one["nodes"] for one in params if "nodes" in one)


def at(told: list[Any], path: str) -> list[Any]:
    return [one["body"] for one in told if one["path"] == path]


def check_headers(told: list[Any], media_type: str) -> None:
    for one in told:
        headers = one["headers"]
        assert headers["content-type"] == media_type
        known = (headers.get("authorization"), headers.get("x-a2a-notification-token"))
        assert known == (("Bearer letmein", "mine") if one["path"] == "/sent" else (None, None))


@pytest.mark.xdist_group("a2a-1.3")
@pytest.mark.parametrize("alias", ["", "/v1"])
async def test_the_official_client_of_1_0_is_told_by_push(tmp_path: Path, alias: str) -> None:
    async with guarded(tmp_path) as server:
        found = await ran("1.3", "client_v1.py", f"{server.url}/a2a{alias}", TOKEN)

    pushes = found["pushes"]
    check_headers(pushes["told"], "application/a2a+json")
    began, output, ended = at(pushes["told"], "/sent")
    assert began["statusUpdate"]["status"]["state"] == "TASK_STATE_WORKING"
    assert output["artifactUpdate"]["artifact"]["parts"][0]["data"] == {"n": 5}
    assert ended["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert [next(iter(body)) for body in at(pushes["told"], "/kept")] == [
        "statusUpdate", "artifactUpdate", "statusUpdate",
    ]  # fmt: skip
    assert (pushes["gone"], pushes["got"]["id"]) == ([], "gone")
    assert pushes["listed"] == [pushes["made"]]
    assert set(nodes_in(found["extended"])) == {"asking"}


@pytest.mark.xdist_group("a2a-0.3")
@pytest.mark.parametrize("alias", ["", "/v0.3"])
async def test_the_official_client_of_0_3_is_told_by_push(tmp_path: Path, alias: str) -> None:
    async with guarded(tmp_path) as server:
        found = await ran("0.3", "client_v03.py", f"{server.url}/a2a{alias}", TOKEN)

    pushes = found["pushes"]
    check_headers(pushes["told"], "application/json")
    for path, output in (("/sent", {"n": 5}), ("/kept", {"answer": 7})):
        working, completed = at(pushes["told"], path)
        assert (working["status"]["state"], completed["status"]["state"]) == ("working", "completed")
        assert completed["artifacts"][0]["parts"][0]["data"] == output
    assert (pushes["gone"], pushes["got"]["pushNotificationConfig"]["id"]) == ([], "gone")
    assert pushes["listed"] == [pushes["made"]]
    assert set(nodes_in(found["extended"])) == {"asking"}
