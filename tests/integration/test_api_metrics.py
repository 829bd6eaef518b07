"""Metrics: what a server counts, told as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.api.serving import Server, a_server, asking, straight, working
from tests.unit.dispatch.builders import answer, http_worker


async def values(server: Server) -> dict[str, float]:
    """Each sample by its name and labels."""
    text = (await server.http.get("/metrics")).text
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_runs_and_steps_are_counted(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), asking()):
            await server.post("/workflows", document, 201)
            await server.post(f"/workflows/{document['id']}/runs?wait=30", {}, 201)
        found = await values(server)
    assert found["clew_runs_started_total"] == 2
    assert (found["clew_runs_ended_total completed"], found["clew_runs_ended_total failed"]) == (1, 0)
    assert (found["clew_runs_interrupted_total"], found["clew_steps_total start"]) == (1, 2)
    assert found["clew_store_commit_seconds_count"] > 0
    assert (found["clew_store_up"], found["clew_draining"]) == (1, 0)


async def test_failures_of_tasks_and_runs_are_counted(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server, http_worker() as worker:
        worker.script = [answer({"error": {"code": "no", "message": "no", "retryable": False}}, 422)]
        await server.post("/workers", {"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        await server.post("/workflows", working(), 201)
        run = await server.post("/workflows/working/runs?wait=30", {}, 201)
        found = await values(server)
    assert run["status"] == "failed"
    assert (found["clew_task_failures_total"], found["clew_runs_ended_total failed"]) == (1, 1)
    assert found["clew_task_dispatches_total"] == 1


@pytest.mark.parametrize("rule", ["skip", "continue", "edge"])
async def test_a_task_that_fails_is_counted_whatever_follows_from_it(tmp_path: Path, rule: str) -> None:
    document = working()
    if rule == "edge":
        document["nodes"]["after"] = {"type": "transform", "updates": {}}
        document["edges"] += [["job:error", "after"], ["after", "__end__"]]
    else:
        document["nodes"]["job"]["on_error"] = rule
    async with a_server(tmp_path) as server, http_worker() as worker:
        worker.script = [answer({"error": {"code": "no", "message": "no", "retryable": False}}, 422)]
        await server.post("/workers", {"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        await server.post("/workflows", document, 201)
        run = await server.post("/workflows/working/runs?wait=30", {}, 201)
        found = await values(server)
    assert (run["status"], found["clew_task_failures_total"]) == ("completed", 1)


async def test_a_run_that_reaches_a_limit_has_no_task_that_failed(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        document = straight()
        document["nodes"]["b"] = document["nodes"]["a"]
        document["edges"] = [["__start__", "a"], ["a", "b"], ["b", "__end__"]]
        await server.post("/workflows", document, 201)
        run = await server.post("/workflows/straight/runs?wait=30", {"config": {"max_steps": 1}}, 201)
        found = await values(server)
    assert run["status"] == "failed"
    assert (found["clew_task_failures_total"], found["clew_runs_ended_total failed"]) == (0, 1)


async def test_what_waits_for_a_worker_is_shown(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        for _ in range(3):
            await server.post("/workflows/working/runs", {}, 201)
        found = await values(server)
    assert (found["clew_tasks_waiting"], found["clew_tasks_active"]) == (3, 0)


async def test_a_run_that_ended_is_counted_once_whatever_is_noted_later(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", asking(), 201)
        run = await server.post("/workflows/asking/runs?wait=30", {}, 201)
        await server.post(f"/runs/{run['id']}/cancel", {})
        await server.refused("POST", f"/runs/{run['id']}/cancel", 409, json={})
        found = await values(server)
    assert found["clew_runs_ended_total cancelled"] == 1


async def test_metrics_want_the_token_of_the_server(tmp_path: Path) -> None:
    async with a_server(tmp_path, token="s") as server:
        assert (await server.http.get("/metrics")).status_code == 401
