"""What workers report while they work: kept, shown, told in streams, and refused once nobody waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_api_streams import streamed
from tests.integration.test_api_workers import W, accepted
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = (working(),)


async def test_a_report_is_shown_logged_and_told(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    report = {"stage": "read", "progress": 0.4, "message": "page 4", "data": {"page": 4}}
    heard = await server.post(path.replace("/result", "/progress"), report)
    assert (heard["accepted"], heard["attempt"]) == (True, 1)
    shown = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    assert shown["progress"] == {"stage": "read", "progress": 0.4, "message": "page 4"}
    assert shown["heard_at"] is not None
    await server.post(path, {"output": 1, "events": [{"message": "done"}]})
    await server.settled(run_id)
    log = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["log"]
    assert [(line["message"], line["data"], line["worker"]) for line in log] == [
        ("page 4", {"page": 4}, "w1"),
        ("done", None, "w1"),
    ]
    told = await streamed(server, f"/runs/{run_id}/stream?mode=custom")
    assert [event["data"]["message"] for event in told if event["event"] == "custom"] == ["page 4", "done"]


async def test_several_reports_may_come_at_once(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    chunks = [{"channel": "text", "text": "Once"}]
    await server.post(path.replace("/result", "/progress"), {"events": [{"chunks": chunks}, {"stage": "b"}]})
    log = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["log"]
    assert [(line["chunks"], line["stage"]) for line in log] == [(chunks, None), (None, "b")]


async def test_reports_outlast_a_restart(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id, task_id, path = await accepted(server, worker)
        await server.post(path.replace("/result", "/progress"), {"stage": "half"})
        before = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    async with a_server(tmp_path) as server:
        after = await server.get(f"/runs/{run_id}/tasks/{task_id}")
        assert [after[name] for name in ("progress", "heard_at", "log")] == [
            before[name] for name in ("progress", "heard_at", "log")
        ]


async def test_a_heartbeat_is_heard_and_says_until_when_there_is_time(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    heard = await server.post(path.replace("/result", "/heartbeat"))
    shown = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    assert shown["heard_at"] is not None
    assert heard == {"accepted": True, "wanted": True, "attempt": 1, "deadline": shown["ack_deadline"]}
    assert shown["log"] == []


async def test_nobody_hears_of_a_task_that_is_not_wanted_any_more(server: Server, worker: HttpWorker) -> None:
    run_id, _, path = await accepted(server, worker)
    await server.post(f"/runs/{run_id}/cancel")
    problem = await server.refused("POST", path.replace("/result", "/progress"), 409, json={})
    assert problem["code"] == "task.over"
    assert (await server.post(path.replace("/result", "/heartbeat"), {}))["wanted"] is False


@pytest.mark.parametrize("verb", ["progress", "heartbeat"])
async def test_reports_need_the_token_of_the_task_or_the_servers(tmp_path: Path, worker: HttpWorker, verb: str) -> None:
    async with a_server(tmp_path, token="s") as server:
        server.http.headers["Authorization"] = "Bearer s"
        await server.post("/workflows", working(), 201)
        _, task_id, path = await accepted(server, worker)
        await server.post(f"/tasks/{task_id}/{verb}", {})
        del server.http.headers["Authorization"]
        await server.refused("POST", f"/tasks/{task_id}/{verb}", 401, json={})
        await server.refused("POST", f"/tasks/{task_id}/{verb}?token=x.y", 403, json={})
        await server.post(path.replace("/result", f"/{verb}"), {})


@pytest.mark.parametrize(
    "body", [{"stage": 1}, {"progress": -1}, {"progress": "half"}, {"colour": "red"}, {"chunks": [{"text": "x"}]}, []]
)
async def test_a_report_that_is_none_is_refused(server: Server, worker: HttpWorker, body: Any) -> None:
    _, _, path = await accepted(server, worker)
    await server.refused("POST", path.replace("/result", "/progress"), 422, json=body)


@pytest.mark.parametrize("progress", [-0.1, 1.5, 7])
@pytest.mark.parametrize("at", ["/progress", "/events/0/progress"])
async def test_progress_goes_from_0_to_1(server: Server, worker: HttpWorker, progress: float, at: str) -> None:
    _, _, path = await accepted(server, worker)
    path, report = path.replace("/result", "/progress"), {"progress": progress}
    problem = await server.refused("POST", path, 422, json={"events": [report]} if "events" in at else report)
    [fault] = problem["errors"]
    bound = "greater than or equal to 0" if progress < 0 else "less than or equal to 1"
    assert (fault["path"], bound in fault["message"]) == (at, True)
    assert (await server.post(path, {"progress": 1, "events": [{"progress": 0}]}))["accepted"] is True


@pytest.mark.parametrize("progress", [-3, 7, "half", True, [1]])
@pytest.mark.parametrize("error", [{}, {"error": {"code": "no", "message": "no"}}])
async def test_progress_that_is_none_is_left_out_of_what_an_answer_reports(
    server: Server, worker: HttpWorker, progress: Any, error: Any
) -> None:
    worker.script = [answer({"output": 1, "events": [{"stage": "s", "progress": progress}], **error})]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post("/workflows/working/runs?wait=10", {}, 201)
    assert run["status"] == ("failed" if error else "completed")
    task = await server.get(f"/runs/{run['id']}/tasks/{run['tasks'][0]['id']}")
    told = [event["data"] for event in await streamed(server, f"/runs/{run['id']}/stream?mode=custom")]
    for found in (task["log"], [data for data in told if data.get("stage")]):
        assert [(line["stage"], line["progress"]) for line in found] == [("s", None)]


async def test_what_a_failed_attempt_reported_is_kept(server: Server, worker: HttpWorker) -> None:
    document = working("twice")
    document["nodes"]["job"]["retry"] = {"max_attempts": 2, "initial_interval_ms": 1}
    await server.post("/workflows", document, 201)
    failed = {"error": {"code": "busy", "message": "no", "retryable": True}, "events": [{"message": "tried"}]}
    worker.script = [answer(failed), answer({"output": 1})]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post("/workflows/twice/runs?wait=10", {}, 201)
    assert run["status"] == "completed"
    task = await server.get(f"/runs/{run['id']}/tasks/{run['tasks'][0]['id']}")
    assert [(line["attempt"], line["message"]) for line in task["log"]] == [(1, "tried")]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a":1,"a":2}', b"[" * 200 + b"]" * 200, b'{"output":' + b'"x"' * 3 + b"}"]
)
async def test_a_result_is_refused_alike_wherever_its_token_stands(
    server: Server, worker: HttpWorker, body: bytes
) -> None:
    _, _, path = await accepted(server, worker)
    place, _, token = path.partition("?token=")
    kind = {"content-type": "application/json"}
    alone = await server.http.post(path, content=body, headers=kind)
    beside = await server.http.post(place, content=body, headers={**kind, "x-clew-token": token})
    told, again = alone.json(), beside.json()
    assert alone.status_code == beside.status_code >= 400
    assert {**told, "instance": None} == {**again, "instance": None}


@pytest.mark.parametrize("query", ["?token=wrong.x", "?token=%20", "?token=a&token=b", "?other=1"])
async def test_what_is_no_token_of_the_task_is_refused(server: Server, worker: HttpWorker, query: str) -> None:
    _, _, path = await accepted(server, worker)
    refusal = await server.http.post(path.partition("?")[0] + query, json={"output": 1})
    assert refusal.status_code in (401, 403, 422)
    assert (await server.post(path, {"output": 1}))["accepted"]
