"""Runs that are queued: they are there, can be looked at and cancelled, and begin later by one commit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine.driver import StartRequest
from engine.errors import EngineError
from engine.model import RunId
from engine.verify import verify_run
from tests.unit.api.serving import Server, a_server

COUNTING = {
    "id": "counting",
    "state_schema": {"n": {"type": "integer", "reducer": "add"}, "seen": {"type": "integer"}},
    "nodes": {"look": {"type": "transform", "updates": {"seen": {"$expr": "state.n + 1"}}}},
    "edges": [["__start__", "look"], ["look", "__end__"]],
}
DOCUMENTS = (COUNTING,)


async def queued(server: Server, **fields: Any) -> RunId:
    """A run that waits until somebody begins it."""
    request = StartRequest(workflow_id="counting", version=1, input={"n": 1}, **fields)
    return await server.wired.engine.start_run(request, reason="test")


async def kinds(server: Server, run_id: str) -> list[str]:
    """The kinds of a run's checkpoints, oldest first."""
    return [item["kind"] for item in (await server.get(f"/runs/{run_id}/checkpoints"))["items"]][::-1]


async def test_a_queued_run_is_there_and_has_done_nothing(server: Server) -> None:
    run_id = await queued(server)
    run = await server.get(f"/runs/{run_id}")
    assert (run["status"], run["reason"], run["input"], run["state"]) == ("queued", "test", {"n": 1}, {})
    assert (run["checkpoint_count"], run["latest_checkpoint_id"], run["branches"]) == (0, None, [])
    assert [item["id"] for item in (await server.get("/runs?status=queued"))["items"]] == [run_id]
    for part in ("tasks", "checkpoints"):
        assert (await server.get(f"/runs/{run_id}/{part}"))["items"] == []
    assert (await server.get(f"/runs/{run_id}/trace"))["status"] == "queued"
    assert (await server.refused("GET", f"/runs/{run_id}/export", 409))["code"] == "run.queued"
    assert (await verify_run(server.wired.store, run_id, server.wired.workflows.graph)).problems == []


async def test_a_queued_run_begins_by_one_commit(server: Server) -> None:
    run_id = await queued(server)
    assert await server.wired.engine.begin_run(run_id)
    run = await server.settled(run_id)
    assert (run["reason"], run["state"]) == (None, {"n": 1, "seen": 2})
    assert await kinds(server, run_id) == ["start", "node", "end"]
    assert not await server.wired.engine.begin_run(run_id)


async def test_it_is_begun_after_a_restart_and_not_by_it(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", COUNTING, 201)
        run_id = await queued(first)
    async with a_server(tmp_path) as second:
        assert (await second.get(f"/runs/{run_id}"))["status"] == "queued"
        await second.wired.engine.begin_run(run_id)
        assert (await second.settled(run_id))["status"] == "completed"


async def test_a_queued_run_is_cancelled_and_deleted(server: Server) -> None:
    run_id = await queued(server)
    problem = await server.refused("DELETE", f"/runs/{run_id}", 409)
    assert problem["code"] == "run.active"
    run = await server.post(f"/runs/{run_id}/cancel")
    assert (run["status"], run["reason"], run["state"]) == ("cancelled", None, {})
    assert await kinds(server, run_id) == ["cancel"]
    assert not await server.wired.engine.begin_run(run_id)
    await server.call("DELETE", f"/runs/{run_id}", 204)
    await server.refused("GET", f"/runs/{run_id}", 404)


async def test_a_run_that_was_cancelled_unbegun_is_read_again(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", COUNTING, 201)
        run_id = await queued(first)
        await first.post(f"/runs/{run_id}/cancel")
    async with a_server(tmp_path) as second:
        run = await second.get(f"/runs/{run_id}")
        assert (run["status"], run["state"]) == ("cancelled", {})
        assert (await second.get(f"/runs/{run_id}/checkpoints?state=true"))["items"][0]["state"] == {}
        for goto in ({}, {"goto": "look"}):
            asked = {"checkpoint_id": f"{run_id}.1", **goto}
            problem = await second.refused("POST", f"/runs/{run_id}/fork", 409, json=asked)
            assert problem["code"] == "fork.nothing_left"


@pytest.mark.parametrize("path", ["resume", "retry"])
async def test_what_only_runs_that_have_begun_can_do_is_refused(server: Server, path: str) -> None:
    run_id = await queued(server)
    await server.refused("POST", f"/runs/{run_id}/{path}", 409, json={})
    await server.refused("POST", f"/runs/{run_id}/fork", 404, json={"checkpoint_id": f"{run_id}.1"})
    assert (await server.get(f"/runs/{run_id}"))["status"] == "queued"


async def test_state_that_is_written_before_the_beginning_comes_right_after_it(server: Server) -> None:
    run_id = await queued(server)
    found = await server.call("POST", f"/runs/{run_id}/state", 202, json={"updates": {"n": 5}})
    assert (found["checkpoint"], found["pending"]["after_node"]) == (None, "__start__")
    await server.refused("POST", f"/runs/{run_id}/state", 422, json={"updates": {"n": "x"}})
    await server.wired.engine.begin_run(run_id)
    run = await server.settled(run_id)
    assert (run["state"], await kinds(server, run_id)) == ({"n": 6, "seen": 7}, ["start", "state", "node", "end"])


async def test_such_state_outlives_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", COUNTING, 201)
        run_id = await queued(first)
        await first.call("POST", f"/runs/{run_id}/state", 202, json={"updates": {"n": 5}})
    async with a_server(tmp_path) as second:
        await second.wired.engine.begin_run(run_id)
        assert (await second.settled(run_id))["state"] == {"n": 6, "seen": 7}


async def test_who_waits_for_it_waits_for_its_end(server: Server) -> None:
    run_id = await queued(server)
    waits = asyncio.create_task(server.settled(run_id))
    told = asyncio.create_task(statuses(server, run_id))
    await server.wired.engine.loop.idle()
    assert not waits.done()
    await server.wired.engine.begin_run(run_id)
    assert (await waits)["status"] == "completed"
    assert await told == [("queued", "test"), ("running", None), ("completed", None)]


async def statuses(server: Server, run_id: RunId) -> list[tuple[str, str | None]]:
    """The statuses that a stream tells, with why."""
    stream = server.wired.streams.stream(run_id, modes=frozenset(), after=None, from_now=False, until=None)
    told = [event for page in [found async for found in stream] for event in page]
    return [(event.data["status"], event.data.get("reason")) for event in told if event.event == "run"]


async def test_input_that_does_not_fit_is_refused_at_once(server: Server) -> None:
    request = StartRequest(workflow_id="counting", version=1, input={"other": 1})
    with pytest.raises(EngineError):
        await server.wired.engine.start_run(request, reason="test")
    assert (await server.get("/runs"))["items"] == []
