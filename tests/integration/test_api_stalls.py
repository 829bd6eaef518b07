"""Runs that have come to a standstill, over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, a_server, asking, working
from tests.unit.dispatch.builders import HttpWorker, answer

QUICKLY = {"config": {"stall_timeout_ms": 500}}


def waiting(**fields: Any) -> dict[str, Any]:
    """A workflow that does nothing but wait for its time."""
    wait = {"type": "wait", "seconds": 1.2, **fields}
    return {"id": "waiting", "nodes": {"a": wait}, "edges": [["__start__", "a"], ["a", "__end__"]]}


async def how(server: Server, run_id: str) -> tuple[str, str | None]:
    """The status of a run that has ended, and the code of its error."""
    run = await server.settled(run_id)
    return run["status"], run["error"] and run["error"]["code"]


async def accepted(server: Server, worker: HttpWorker) -> tuple[str, str]:
    """A run whose task a worker has accepted, and where that is answered."""
    await server.post("/workers", {**W, "id": "one", "url": worker.url}, 201)
    worker.script = [answer({}, 202)]
    run = await server.post("/workflows/working/runs", QUICKLY, 201)
    await worker.until(lambda: len(worker.seen) == 1)
    return run["id"], worker.seen[0].body["reply_to"].partition("/v1")[2]


async def test_a_task_that_nobody_takes_brings_its_run_to_a_standstill(server: Server) -> None:
    await server.post("/workflows", working("working"), 201)
    run = await server.post("/workflows/working/runs", QUICKLY, 201)
    assert await how(server, run["id"]) == ("failed", "run.stalled")
    again = await server.post(f"/runs/{run['id']}/retry", {"config": {"stall_timeout_ms": 60_000}})
    assert again["status"] == "running"


@pytest.mark.parametrize(("attempts", "left"), [(1, "failed"), (2, "retrying")])
async def test_the_attempts_of_a_silent_worker_are_given_up(
    server: Server, worker: HttpWorker, attempts: int, left: str
) -> None:
    document = working("working")
    document["nodes"]["job"]["retry"] = {"max_attempts": attempts, "initial_interval_ms": 1}
    await server.post("/workflows", document, 201)
    run_id, _ = await accepted(server, worker)
    assert await how(server, run_id) == ("failed", "run.stalled")
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    assert task["status"] == left
    worker.script = [answer({"output": "done"})]
    await server.post(f"/runs/{run_id}/retry", {"config": {"stall_timeout_ms": None}})
    assert await how(server, run_id) == ("completed", None)
    assert [seen.body["attempt"] for seen in worker.seen] == [1, 2]


async def test_who_waits_for_a_time_or_for_people_is_not_at_a_standstill(server: Server) -> None:
    await server.post("/workflows", waiting(), 201)
    await server.post("/workflows", asking(), 201)
    asked = await server.post("/workflows/asking/runs?wait=5", QUICKLY, 201)
    run = await server.post("/workflows/waiting/runs", QUICKLY, 201)
    assert await how(server, run["id"]) == ("completed", None)
    assert (await server.get(f"/runs/{asked['id']}"))["status"] == "interrupted"


async def test_a_run_that_was_at_a_standstill_is_watched_after_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working("working"), 201)
        run = await server.post("/workflows/working/runs", {"config": {"stall_timeout_ms": 400}}, 201)
    async with a_server(tmp_path) as server:
        assert await how(server, run["id"]) == ("failed", "run.stalled")
