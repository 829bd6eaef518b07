"""What had a run start: it is told with the run, wherever that is listed, and its first checkpoint names the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.driver import StartRequest
from tests.integration.moving import exported, imported
from tests.integration.test_a2a_server import sent
from tests.unit.api.serving import Server, a_server, asking, straight

DOCUMENTS = [straight(), asking()]


async def actors(server: Server, run_id: str) -> list[str]:
    """Who caused the checkpoints of a run, oldest first."""
    return [item["actor"] for item in (await server.get(f"/runs/{run_id}/checkpoints"))["items"]][::-1]


async def test_a_run_that_was_asked_for_over_rest_says_so(server: Server) -> None:
    run = await server.post("/workflows/straight/runs?wait=10", {}, 201)
    fork = await server.post("/runs/fork", {"checkpoint_id": f"{run['id']}.1"}, 201)
    assert (run["trigger"], fork["trigger"]) == ("api", "api")
    assert {item["trigger"] for item in (await server.get("/runs"))["items"]} == {"api"}


async def test_a_run_that_an_agent_asked_for_says_so_and_so_do_what_it_answers_and_forks(server: Server) -> None:
    task = await sent(server, "asking", {"data": {}})
    fork = await sent(server, "asking", {"data": {}}, messageId="m2", metadata={"checkpointId": f"{task.id}.1"})
    await sent(server, "asking", {"data": 7}, messageId="m3", taskId=task.id)
    run, forked = [await server.get(f"/runs/{one.id}") for one in (task, fork)]
    assert (run["trigger"], forked["trigger"], run["status"]) == ("a2a", "a2a", "completed")
    assert (await actors(server, task.id))[:3] == ["a2a", "engine", "a2a"]
    assert (await actors(server, fork.id))[0] == "a2a"
    assert {item["trigger"] for item in (await server.get("/runs"))["items"]} == {"a2a"}


async def test_a_run_that_was_queued_names_who_asked_for_it_when_it_begins(server: Server) -> None:
    engine = server.wired.engine
    run_id = await engine.start_run(StartRequest(workflow_id="straight", version=1), "a2a", reason="test")
    assert (await server.get(f"/runs/{run_id}"))["trigger"] == "a2a"
    await engine.begin_run(run_id)
    await server.settled(run_id)
    assert (await actors(server, run_id))[0] == "a2a"


@pytest.mark.parametrize("db", ["sqlite", "memory"])
async def test_it_is_kept_over_a_restart_and_moves_with_the_run(tmp_path: Path, db: str) -> None:
    async with a_server(tmp_path / "here") as server:
        await _documents(server)
        run_id = (await sent(server, "straight", {"data": {"n": 1}})).id
    given: dict[str, Any] = {"db": "memory://"} if db == "memory" else {}
    async with a_server(tmp_path / "here") as server, a_server(tmp_path / "there", **given) as other:
        assert (await server.get(f"/runs/{run_id}"))["trigger"] == "a2a"
        await imported(other, await exported(server, run_id))
        assert (await other.get(f"/runs/{run_id}"))["trigger"] == "a2a"


async def _documents(server: Server) -> None:
    for document in DOCUMENTS:
        await server.post("/workflows", document, 201)
