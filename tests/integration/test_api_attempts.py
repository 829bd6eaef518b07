"""Which attempt an answer belongs to that comes later: a good one counts always, a failure for its own alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = ()
BROKEN = {"error": {"code": "first.broke", "message": "it broke", "retryable": False}}


async def given_up(server: Server, worker: HttpWorker) -> tuple[str, str, list[str]]:
    """A run whose only task a worker has accepted twice, the first attempt being over: run id, task id, and the path
    at which each attempt is answered."""
    document = working()
    document["state_schema"]["out"] = {"type": "string"}
    document["nodes"]["job"] |= {"timeout_ms": 300, "retry": {"max_attempts": 2, "initial_interval_ms": 10}}
    await server.post("/workflows", document, 201)
    worker.script = [answer({}, 202)]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post(f"/workflows/{document['id']}/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 2)
    parts = [urlsplit(seen.body["reply_to"]) for seen in worker.seen]
    return run["id"], worker.seen[0].body["task_id"], [f"{p.path.removeprefix('/v1')}?{p.query}" for p in parts]


@pytest.mark.parametrize("failure", [BROKEN, {"output": 7}], ids=["an error", "no valid answer"])
async def test_a_failure_of_an_attempt_that_was_given_up_changes_nothing(
    server: Server, worker: HttpWorker, failure: Any
) -> None:
    run_id, task_id, (first, second) = await given_up(server, worker)

    late = await server.refused("POST", first, 409, json=failure)
    await server.post(second, {"output": "well"})

    run = await server.settled(run_id)
    attempts = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["attempts"]
    assert (late["code"], run["status"], run["state"]) == ("task.late", "completed", {"out": "well"})
    assert "late" in [found["kind"] for found in attempts]


async def test_a_good_answer_of_an_attempt_that_was_given_up_counts(server: Server, worker: HttpWorker) -> None:
    run_id, _, (first, second) = await given_up(server, worker)

    await server.post(first, {"output": "slow"})

    assert (await server.settled(run_id))["state"] == {"out": "slow"}
    assert (await server.refused("POST", second, 409, json={"output": "well"}))["code"] == "task.late"


async def test_a_failure_of_the_attempt_that_is_open_ends_it(server: Server, worker: HttpWorker) -> None:
    run_id, _, (_, second) = await given_up(server, worker)

    await server.post(second, BROKEN)

    assert (await server.settled(run_id))["error"]["code"] == "first.broke"


async def test_a_heartbeat_of_an_attempt_that_was_given_up_keeps_nobody_elses_lease(
    server: Server, worker: HttpWorker
) -> None:
    run_id, task_id, (first, second) = await given_up(server, worker)

    await server.post(first.replace("/result", "/heartbeat"))
    before = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["heard_at"]
    await server.post(second.replace("/result", "/heartbeat"))

    assert before is None
    assert (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["heard_at"] is not None
