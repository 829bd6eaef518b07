"""What is told of a task that has failed for good: by its run, by a server that was started again, after a retry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, answer

NO = answer({"error": {"code": "no", "message": "no", "retryable": False}}, 422)
LASTING = ("worker_id", "attempt", "status", "error", "started_at", "finished_at", "progress")


def handled(on_error: str) -> dict[str, Any]:
    """A workflow that goes on when its job has failed."""
    document = working("handled")
    document["nodes"]["job"]["on_error"] = on_error
    return document


async def failed(server: Server, worker: HttpWorker) -> dict[str, Any]:
    """A run whose job has failed for good at a worker that had told how far it was."""
    await server.post("/workers", {**W, "id": "one", "url": worker.url}, 201)
    worker.script = [answer({}, 202)]
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 1)
    path = worker.seen[0].body["reply_to"].partition("/v1")[2]
    await server.post(path.replace("/result", "/progress"), {"progress": 0.5, "message": "half"})
    await server.post(path, {"error": {"code": "no", "message": "no", "retryable": False}})
    return await server.settled(run["id"])


async def test_a_failed_task_is_told_of_after_a_restart_as_before_it(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working("working"), 201)
        run = await failed(server, worker)
        (before,) = run["tasks"]
    async with a_server(tmp_path) as server:
        (after,) = (await server.get(f"/runs/{run['id']}"))["tasks"]
        listed = (await server.get(f"/runs/{run['id']}/tasks"))["items"][0]
    assert (before["worker_id"], before["status"]) == ("one", "failed")
    assert [{name: task[name] for name in LASTING} for task in (after, listed)] == [
        {name: before[name] for name in LASTING}
    ] * 2


async def test_a_task_that_is_tried_again_has_no_worker_yet(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working("working"), 201)
        run = await failed(server, worker)
        await server.post("/workers/one/drain", {})
        await server.post(f"/runs/{run['id']}/retry", {})
        found = [(await server.get(f"/runs/{run['id']}"))["tasks"][0]]
    async with a_server(tmp_path) as server:
        found.append((await server.get(f"/runs/{run['id']}"))["tasks"][0])
    assert [(task["attempt"], task["worker_id"], task["started_at"], task["progress"]) for task in found] == [
        (2, None, None, None)
    ] * 2


@pytest.mark.parametrize(("on_error", "status"), [("continue", "failed"), ("skip", "skipped")])
async def test_a_failure_that_the_run_outlives_names_its_worker(
    server: Server, worker: HttpWorker, on_error: str, status: str
) -> None:
    await server.post("/workflows", handled(on_error), 201)
    await server.post("/workers", {**W, "id": "one", "url": worker.url}, 201)
    worker.script = [NO]
    run = await server.settled((await server.post("/workflows/handled/runs", {}, 201))["id"])
    (task,) = run["tasks"]
    assert (run["status"], task["status"], task["worker_id"]) == ("completed", status, "one")
