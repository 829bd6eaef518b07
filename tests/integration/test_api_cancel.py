"""Workers are told that a task is not wanted any more, where they want to hear it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, Seen, answer, hang

DOCUMENTS = (working(),)


async def asked(server: Server, worker: HttpWorker, metadata: Any) -> tuple[str, Seen]:
    """A run whose task the worker holds."""
    row = {**W, "url": f"{worker.url}/w?k=1", "metadata": metadata, "token": "t0ken"}
    await server.post("/workers", row, 201)
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: bool(worker.seen))
    return run["id"], worker.seen[0]


@pytest.mark.parametrize("first", [answer({}, 202), hang])
async def test_a_worker_that_says_it_can_is_told(server: Server, worker: HttpWorker, first: Any) -> None:
    worker.script = [first, answer({})]
    run_id, task = await asked(server, worker, {"cancel": True})
    await server.post(f"/runs/{run_id}/cancel")
    await worker.until(lambda: len(worker.seen) == 2)
    told = worker.seen[1]
    assert (told.method, told.path) == ("DELETE", f"/w/{task.body['task_id']}")
    assert told.headers["authorization"] == "Bearer t0ken"
    assert told.headers["webhook-signature"].startswith("v1,")
    assert told.headers["webhook-id"] != task.headers["webhook-id"]


async def test_a_line_that_is_left_is_not_wanted_any_more(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202)]
    run_id, task = await asked(server, worker, {"cancel": True})
    first = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][-1]["id"]
    await server.post(f"/runs/{run_id}/replay", {"checkpoint_id": first})
    await worker.until(lambda: any(seen.method == "DELETE" for seen in worker.seen))
    told = next(seen for seen in worker.seen if seen.method == "DELETE")
    assert told.path.endswith(task.body["task_id"])


async def test_others_are_not_told(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202)]
    run_id, _ = await asked(server, worker, {})
    await server.post(f"/runs/{run_id}/cancel")
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 2)
    assert [(seen.method, seen.body["run_id"]) for seen in worker.seen] == [("POST", run_id), ("POST", run["id"])]


async def test_who_answered_is_not_told(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202)]
    run_id, task = await asked(server, worker, {"cancel": True})
    await server.post(f"/tasks/{task.body['task_id']}/result", {"output": 1})
    await server.settled(run_id)
    await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 2)
    assert [seen.method for seen in worker.seen] == ["POST", "POST"]
