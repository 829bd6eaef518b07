"""What workers say that changes nothing: they get a clear refusal, and the log and the metrics tell of it."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from api.inbound import Inbound
from tests.integration.test_api_metrics import values
from tests.unit.api.serving import Server, working
from tests.unit.dispatch.builders import HttpWorker, answer

KINDS = {"result": {"output": 1}, "progress": {"stage": "s"}, "heartbeat": {}}


async def asked(server: Server, worker: HttpWorker) -> tuple[str, str, str]:
    """A run whose task a worker has: its id, that of the task, and the query that authorises an answer."""
    worker.script = [answer({}, 202)]
    await server.post("/workers", {"id": "w1", "protocol": "webhook", "tags": ["w"], "url": worker.url}, 201)
    await server.post("/workflows", working(), 201)
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 1)
    task = worker.seen[0].body
    return run["id"], task["task_id"], task["reply_to"].partition("?")[2]


def refusals(logs: Any) -> list[Any]:
    return [{**log, "log_level": None} for log in logs if log["event"] == "answer.refused"]


def refusal(kind: str, code: str, **names: str) -> dict[str, Any]:
    return {"event": "answer.refused", "log_level": None, "kind": kind, "code": code, **names}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_said_of_an_unknown_task_is_logged(server: Server, worker: HttpWorker, kind: str) -> None:
    _, _, query = await asked(server, worker)
    with capture_logs() as logs:
        await server.refused("POST", f"/tasks/deadbeef/{kind}?{query}", 403, json=KINDS[kind])
    assert refusals(logs) == [refusal(kind, "task.token", task_id="deadbeef")]
    assert query.partition("=")[2] not in str(logs)


async def test_an_answer_with_a_wrong_token_is_logged_without_it(server: Server, worker: HttpWorker) -> None:
    _, task_id, _ = await asked(server, worker)
    with capture_logs() as logs:
        await server.refused("POST", f"/tasks/{task_id}/result?token=r.s3cret", 403, json={"output": 1})
    assert refusals(logs) == [refusal("result", "task.token", task_id=task_id)]
    assert "s3cret" not in str(logs)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_said_of_a_run_that_was_deleted_is_logged(server: Server, worker: HttpWorker, kind: str) -> None:
    run_id, task_id, query = await asked(server, worker)
    await server.post(f"/runs/{run_id}/cancel", {})
    await server.call("DELETE", f"/runs/{run_id}", 204)
    with capture_logs() as logs:
        await server.refused("POST", f"/tasks/{task_id}/{kind}?{query}", 404, json=KINDS[kind])
    assert refusals(logs) == [refusal(kind, "not_found", run_id=run_id, task_id=task_id)]


async def test_what_comes_too_late_is_logged_with_its_run_and_node(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, query = await asked(server, worker)
    await server.post(f"/runs/{run_id}/cancel", {})
    codes = {"result": "task.late", "progress": "task.over", "heartbeat": "task.over"}
    with capture_logs() as logs:
        for kind, body in KINDS.items():
            await server.http.post(f"/tasks/{task_id}/{kind}?{query}", json=body)
    place = {"run_id": run_id, "task_id": task_id, "node": "job"}
    assert refusals(logs) == [refusal(kind, code, **place) for kind, code in codes.items()]


async def test_an_answer_without_a_token_to_a_task_that_nobody_has_is_logged(server: Server) -> None:
    with capture_logs() as logs:
        await server.refused("POST", "/tasks/deadbeef/result", 404, json={"output": 1})
    assert refusals(logs) == [refusal("result", "not_found", task_id="deadbeef")]


async def test_what_is_logged_of_a_task_is_short_and_never_a_correlation_id(server: Server) -> None:
    with capture_logs() as logs:
        await server.refused("POST", f"/tasks/{'x' * 500}.s3cret/result?token=r.s", 403, json={"output": 1})
    assert [log["task_id"] for log in refusals(logs)] == ["x" * 80]


async def test_refusals_are_counted(server: Server, worker: HttpWorker) -> None:
    _, task_id, query = await asked(server, worker)
    assert (await values(server))["clew_answers_refused_total"] == 0
    await server.refused("POST", f"/tasks/deadbeef/result?{query}", 403, json={"output": 1})
    await server.post(f"/tasks/{task_id}/result?{query}", {"output": 1})
    await server.refused("POST", f"/tasks/{task_id}/result?{query}", 409, json={"output": 2})
    assert (await values(server))["clew_answers_refused_total"] == 2


async def test_a_report_that_is_not_valid_is_logged_where_it_comes_by_a_broker(
    server: Server, worker: HttpWorker
) -> None:
    run_id, task_id, query = await asked(server, worker)
    corr = f"{task_id}.{query.partition('=')[2]}"
    inbound = Inbound()
    inbound.bind(server.wired.answers)
    with capture_logs() as logs:
        receipt = await inbound.report(corr, [{"chunks": "none"}])
    assert receipt.code == "report.invalid"
    place = {"run_id": run_id, "task_id": task_id, "node": "job"}
    assert refusals(logs) == [refusal("progress", "report.invalid", **place)]
