"""What a worker says beside its error, with a status of success or of failure: it counts all the same, and stays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import Handler, HttpWorker, answer

W = {"id": "w1", "protocol": "webhook", "tags": ["w"]}
USED = {"input_tokens": 7, "output_tokens": 2, "cost": 0.5}
TOLD: dict[str, Any] = {"usage": USED, "events": [{"stage": "read", "message": "as far as I came", "progress": 0.5}]}
FAULT = {"code": "busy", "message": "no", "retryable": True}
STATUSES = [200, 400, 429, 500, 503]
RESET_MS = 400


def again(attempts: int = 2, wait_ms: int = 1) -> dict[str, Any]:
    document = working()
    document["nodes"]["job"]["retry"] = {"max_attempts": attempts, "initial_interval_ms": wait_ms, "jitter": 0}
    return document


async def ran(server: Server, worker: HttpWorker, document: dict[str, Any], *script: Handler) -> Any:
    worker.script = [*script]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    await server.post("/workflows", document, 201)
    return await server.post("/workflows/working/runs?wait=10", {}, 201)


async def the_task(server: Server, run: Any) -> Any:
    [task] = run["tasks"]
    return await server.get(f"/runs/{run['id']}/tasks/{task['id']}")


def twice(usage: dict[str, Any]) -> dict[str, Any]:
    return {name: 2 * count for name, count in usage.items()}


@pytest.mark.parametrize("status", STATUSES)
async def test_usage_and_events_beside_an_error_count_with_any_status(
    server: Server, worker: HttpWorker, status: int
) -> None:
    run = await ran(server, worker, again(), answer({"error": FAULT, **TOLD}, status))
    task = await the_task(server, run)
    assert (run["status"], run["error"]["code"]) == ("failed", "busy")
    assert (run["usage"], task["usage"]) == (twice(USED), twice(USED))
    lines = [(line["attempt"], line["stage"], line["message"], line["progress"]) for line in task["log"]]
    assert lines == [(attempt, "read", "as far as I came", 0.5) for attempt in (1, 2)]


@pytest.mark.parametrize(
    "wrong", [{"updates": []}, {"output": 1, "goto": 5}, {"output": 1, "events": [{"stage": 5}, *TOLD["events"]]}]
)
async def test_usage_and_events_beside_a_mistake_count(server: Server, worker: HttpWorker, wrong: Any) -> None:
    run = await ran(server, worker, again(), answer({**TOLD, **wrong}))
    task = await the_task(server, run)
    assert (run["status"], run["error"]["code"]) == ("failed", "answer.invalid")
    assert (run["usage"], task["usage"]) == (twice(USED), twice(USED))
    assert [(line["attempt"], line["stage"]) for line in task["log"]] == [(1, "read"), (2, "read")]


async def test_cost_beside_a_mistake_counts_for_what_a_run_may_cost(server: Server, worker: HttpWorker) -> None:
    document = {**again(), "config": {"max_cost": 0.9}}
    document["nodes"]["job"]["on_error"] = "continue"
    document["nodes"]["next"] = {"type": "transform", "updates": {"out": 1}}
    document["edges"][-1:] = [["job", "next"], ["next", "__end__"]]
    run = await ran(server, worker, document, answer({**TOLD, "updates": []}))
    assert (run["status"], run["error"]["code"]) == ("failed", "run.cost_limit")


@pytest.mark.parametrize("status", STATUSES)
async def test_what_nobody_knows_beside_an_error_is_kept_with_it(
    server: Server, worker: HttpWorker, status: int
) -> None:
    body = {"error": {**FAULT, "request": "r-9", "details": {"why": "full"}}, "trace_url": "http://t/1", **TOLD}
    task = await the_task(server, await ran(server, worker, again(), answer(body, status)))
    kept = {"answer": body, "why": "full"}
    assert task["error"]["details"] == kept
    assert [tried["error"]["details"] for tried in task["attempts"] if "error" in tried] == [kept, kept]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("details", [None, {"why": "full"}, ["full"]])
async def test_details_of_an_error_that_says_all_are_as_they_came(
    server: Server, worker: HttpWorker, status: int, details: Any
) -> None:
    body = {"error": {**FAULT, "details": details}, "output": None, "updates": {}, **TOLD}
    task = await the_task(server, await ran(server, worker, working(), answer(body, status)))
    assert task["error"]["details"] == details


async def test_a_question_is_kept_as_it_came_while_it_is_open_and_afterwards(
    server: Server, worker: HttpWorker
) -> None:
    asked = {"interrupt": {"message": "which?", "colour": "red"}, "trace_url": "http://t/1"}
    run = await ran(server, worker, working(), answer(asked), answer({"output": 1, "trace_url": "http://t/2"}))
    task = await the_task(server, run)
    assert (task["status"], task["answer"]) == ("interrupted", asked)
    await server.post(f"/runs/{run['id']}/resume", {"resume": "that"})
    await server.settled(run["id"])
    task = await server.get(f"/runs/{run['id']}/tasks/{task['id']}")
    assert task["answer"] == {"output": 1, "trace_url": "http://t/2"}
    told = [(turn["attempt"], turn["worker"], turn["answer"]) for turn in task["attempts"] if turn["kind"] == "asked"]
    assert told == [(1, "w1", asked)]


@pytest.mark.parametrize("status", STATUSES)
async def test_usage_of_an_attempt_that_failed_stays_over_a_restart(
    tmp_path: Path, worker: HttpWorker, status: int
) -> None:
    async with a_server(tmp_path) as server:
        worker.script = [answer({"error": FAULT, **TOLD}, status), answer({"output": 1, "usage": USED})]
        await server.post("/workers", {**W, "url": worker.url}, 201)
        await server.post("/workflows", again(wait_ms=1500), 201)
        run = await server.post("/workflows/working/runs", {}, 201)
        await worker.until(lambda: len(worker.seen) == 1)
        while (await server.get(f"/runs/{run['id']}"))["tasks"][0]["status"] != "retrying":  # noqa: ASYNC110
            await asyncio.sleep(0)  # it is seen from outside only
    async with a_server(tmp_path) as server:
        done = await server.settled(run["id"])
        task = await the_task(server, done)
    assert (done["status"], done["usage"], task["usage"]) == ("completed", twice(USED), twice(USED))
    assert [line["stage"] for line in task["log"]] == ["read"]


@pytest.mark.parametrize("status", STATUSES)
async def test_a_rate_limit_beside_an_error_is_heeded_with_any_status(
    server: Server, worker: HttpWorker, status: int
) -> None:
    limit = {"remaining": 0, "limit": 2, "reset_ms": RESET_MS}
    begun = time.monotonic()
    refuses = answer({"error": FAULT, "rate_limit": limit}, status)
    run = await ran(server, worker, again(), refuses, answer({"output": 1}))
    assert (run["status"], time.monotonic() - begun > RESET_MS / 1000) == ("completed", True)
    [found] = (await server.get("/rate-limits"))["items"]
    assert {name: found[name] for name in limit} == limit


async def test_what_is_said_without_an_error_counts_too(server: Server, worker: HttpWorker) -> None:
    run = await ran(server, worker, again(1), answer({**TOLD, "rate_limit": "none"}, 500))
    assert (run["error"]["code"], run["usage"]) == ("worker.http_500", USED)
    assert [line["stage"] for line in (await the_task(server, run))["log"]] == ["read"]


async def test_usage_of_an_answer_that_refers_to_what_is_not_there_counts(server: Server, worker: HttpWorker) -> None:
    reference = {"ref": "artifact:sha256:" + "0" * 64, "media_type": "text/plain", "size": 1, "sha256": "0" * 64}
    run = await ran(server, worker, again(1), answer({"output": reference, "usage": USED}))
    assert (run["error"]["code"], run["usage"]) == ("artifact.missing", USED)
