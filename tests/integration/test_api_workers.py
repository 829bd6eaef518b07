"""Workers over HTTP: registered, changed, asked; and the results that they post."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.pulling import until, waits
from tests.unit.api.serving import Server, a_server, straight, working
from tests.unit.dispatch.builders import HttpWorker, answer

W = {"id": "w1", "url": "http://127.0.0.1:9/w", "protocol": "webhook", "tags": ["w"]}


DOCUMENTS = (working(),)


# ---- the registry


async def test_a_secret_is_made_and_shown_once(server: Server) -> None:
    response = await server.http.post("/workers", json=W)
    made = response.json()
    assert (response.status_code, response.headers["location"]) == (201, "/v1/workers/w1")
    assert made.pop("secret").startswith("whsec_")
    assert (made["max_concurrent"], made["status"], made["tags"]) == (1, "active", ["w"])
    assert await server.get("/workers/w1") == made
    assert (await server.get("/workers"))["items"] == [made]


async def test_what_is_write_only_is_never_returned(server: Server) -> None:
    secrets = {"token": "t0ken", "secret": "s3cret", "headers": {"X-Key": "k3y"}}
    made = await server.post("/workers", {**W, **secrets}, 201)
    assert made["secret"] == "s3cret"
    changed = await server.call("PATCH", "/workers/w1", json={"secret": "n3w", "headers": {"X-Key": "oth3r"}})
    for shown in (await server.get("/workers/w1"), (await server.get("/workers"))["items"][0], changed):
        assert not {"token", "secret", "headers"} & shown.keys()
        assert not any(word in str(shown) for word in ("t0ken", "s3cret", "k3y", "n3w", "oth3r"))


async def test_a_taken_id_is_a_conflict(server: Server) -> None:
    await server.post("/workers", W, 201)
    assert (await server.refused("POST", "/workers", 409, json=W))["code"] == "worker.exists"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"protocol": "pigeon"}, "/protocol"),
        ({"url": None}, "/url"),
        ({"url": "ftp://x"}, "/url"),
        ({"url": "http://user:pass@x"}, "/url"),
        ({"headers": {"Content-Length": "1"}}, "/headers"),
        ({"headers": {"X": "a\nb"}}, "/headers"),
        ({"token": "a\nb"}, "/headers"),
        ({"max_concurrent": 0}, "/max_concurrent"),
        ({"max_concurrent": True}, "/max_concurrent"),
        ({"id": ""}, "/id"),
        ({"id": "."}, "/id"),
        ({"id": ".."}, "/id"),
        ({"colour": "red"}, "/colour"),
        ({"tags": ["x", 1]}, "/tags/1"),
    ],
)
async def test_a_worker_that_could_not_be_reached_is_refused(server: Server, change: Any, path: str) -> None:
    problem = await server.refused("POST", "/workers", 422, json={**W, **change})
    assert [fault["path"] for fault in problem["errors"]] == [path]
    assert (await server.get("/workers"))["items"] == []


async def test_an_unknown_protocol_names_the_known_ones(server: Server) -> None:
    problem = await server.refused("POST", "/workers", 422, json={**W, "protocol": "pigeon"})
    assert "webhook" in problem["detail"]


async def test_functions_are_workers_only_where_that_is_allowed(server: Server) -> None:
    row = {"id": "f", "protocol": "local", "url": "json:loads"}
    problem = await server.refused("POST", "/workers", 422, json=row)
    assert (problem["code"], problem["errors"][0]["path"]) == ("worker.invalid", "/protocol")
    assert "--local-workers" in problem["detail"]


async def test_a_change_leaves_the_other_fields_alone(server: Server) -> None:
    made = await server.post("/workers", {**W, "metadata": {"a": 1}, "model": "m"}, 201)
    changed = await server.call("PATCH", "/workers/w1", json={"max_concurrent": 7, "model": None})
    assert (changed["max_concurrent"], changed["model"], changed["metadata"]) == (7, None, {"a": 1})
    assert (changed["url"], changed["created_at"]) == (made["url"], made["created_at"])
    await server.refused("PATCH", "/workers/w1", 422, json={"id": "w2"})
    await server.refused("PATCH", "/workers/w1", 422, json={"protocol": None})
    await server.refused("PATCH", "/workers/w1", 422, json={"tags": None})
    await server.refused("PATCH", "/workers/nobody", 404, json={})


async def test_lists_come_in_pages(server: Server) -> None:
    for name in ("b", "c", "a"):
        await server.post("/workers", {**W, "id": name}, 201)
    first = await server.get("/workers?limit=2")
    rest = await server.get(f"/workers?limit=2&cursor={first['next_cursor']}")
    assert [row["id"] for row in first["items"]] == ["a", "b"]
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == (["c"], None)
    await server.refused("GET", "/workers?cursor=ä", 422)


async def test_a_deleted_worker_is_gone(server: Server) -> None:
    await server.post("/workers", W, 201)
    await server.call("DELETE", "/workers/w1", 204)
    await server.refused("GET", "/workers/w1", 404)
    await server.refused("DELETE", "/workers/w1", 404)


# ---- at work


async def test_a_task_that_waits_goes_to_a_worker_that_registers(server: Server, worker: HttpWorker) -> None:
    run = await server.post("/workflows/working/runs", {}, 201)
    await server.post("/workers", {**W, "url": f"{worker.url}/job"}, 201)
    done = await server.settled(run["id"])
    assert (done["status"], done["state"]) == ("completed", {"out": "done"})
    assert worker.seen[0].body["prompt"] == "go"


async def test_a_changed_worker_is_asked_at_its_new_address(server: Server, worker: HttpWorker) -> None:
    await server.post("/workers", {**W, "max_concurrent": 1}, 201)
    await server.call("PATCH", "/workers/w1", json={"url": f"{worker.url}/moved", "token": "t"})
    await server.post("/workflows/working/runs?wait=10", {}, 201)
    assert (worker.seen[0].path, worker.seen[0].headers["Authorization"]) == ("/moved", "Bearer t")


async def accepted(server: Server, worker: HttpWorker) -> tuple[str, str, str]:
    """A run whose only task a worker has accepted: (run id, task id, path with token)."""
    worker.script = [answer({}, 202)]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: bool(worker.seen))
    body = worker.seen[0].body
    parts = urlsplit(body["reply_to"])
    assert parts.path.startswith("/v1/tasks/")
    return run["id"], body["task_id"], f"{parts.path.removeprefix('/v1')}?{parts.query}"


async def test_a_result_posted_to_reply_to_is_the_answer(server: Server, worker: HttpWorker) -> None:
    run_id, _, path = await accepted(server, worker)
    assert await server.post(path, {"output": "later"}) == {"accepted": True}
    assert (await server.settled(run_id))["state"] == {"out": "later"}


async def test_a_second_result_is_late_and_changes_nothing(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    await server.post(path, {"output": "first"})
    await server.settled(run_id)
    assert (await server.refused("POST", path, 409, json={"output": "second"}))["code"] == "task.late"
    assert (await server.get(f"/runs/{run_id}"))["state"] == {"out": "first"}
    assert "late" in [found["kind"] for found in (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["attempts"]]


async def test_a_failed_task_says_when_and_with_what(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    await server.post(path, {"error": {"code": "boom", "message": "it broke", "retryable": False}})
    await server.settled(run_id)
    failed = await server.get(f"/runs/{run_id}/tasks/{task_id}")
    sent, end = (found for found in failed["attempts"] if found["kind"] != "accepted")
    assert (end["kind"], end["error"]["code"], end["worker"], end["attempt"]) == ("failed", "boom", "w1", 1)
    assert (failed["finished_at"], sent["kind"], sent["deadline"][-1]) == (end["at"], "dispatch", "Z")


async def test_a_failure_stays_among_the_attempts_when_it_is_tried_again(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    await server.post(path, {"error": {"code": "boom", "message": "it broke", "retryable": False}})
    await server.settled(run_id)
    worker.script = [answer({"output": "well"})]
    assert (await server.post(f"/runs/{run_id}/retry"))["tasks"][0]["finished_at"] is None
    await server.settled(run_id)
    attempts = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["attempts"]
    told = [(found["kind"], found["attempt"]) for found in attempts if found["kind"] != "accepted"]
    assert told == [("dispatch", 1), ("failed", 1), ("dispatch", 2)]


async def test_what_does_not_fit_is_kept_with_the_failure(server: Server, worker: HttpWorker) -> None:
    document = working()
    document["state_schema"]["out"] = {"type": "integer"}
    await server.post("/workflows", {**document, "id": "strict"}, 201)
    worker.script = [answer({"output": "many"})]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post("/workflows/strict/runs?wait=10", {}, 201)
    assert (run["error"]["code"], run["error"]["details"]) == (
        "state.invalid", {"key": "out", "answer": {"output": "many"}},
    )  # fmt: skip


async def test_the_token_may_come_in_a_header(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    token = path.partition("token=")[2]
    await server.post(f"/tasks/{task_id}/result", {"output": 1}, headers={"X-Clew-Token": token})
    assert (await server.settled(run_id))["state"] == {"out": 1}


async def test_a_wrong_token_is_forbidden(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, path = await accepted(server, worker)
    token = path.partition("token=")[2]
    secret = token.rpartition(".")[2]
    for wrong in ("x", f"{run_id}.x", f"other.{secret}", token[:-1], f"{token}x", "ä", "."):
        problem = await server.refused("POST", f"/tasks/{task_id}/result", 403, params={"token": wrong}, json={})
        assert problem["code"] == "task.token"
    await server.refused("POST", f"/tasks/other/result?token={token}", 403, json={})


async def test_a_result_for_a_deleted_run_is_not_found(server: Server, worker: HttpWorker) -> None:
    run_id, _, path = await accepted(server, worker)
    await server.post(f"/runs/{run_id}/cancel")
    assert (await server.refused("POST", path, 409, json={}))["code"] == "task.late"
    await server.call("DELETE", f"/runs/{run_id}", 204)
    await server.refused("POST", path, 404, json={})


async def test_without_a_task_token_the_server_finds_the_open_task(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, _ = await accepted(server, worker)
    await server.post(f"/tasks/{task_id}/result", "plain text")
    assert (await server.settled(run_id))["state"] == {"out": "plain text"}
    await server.refused("POST", "/tasks/unknown/result", 404, json={})


async def test_with_a_server_token_it_takes_that_or_the_token_of_the_task(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path, token="s") as server:
        server.http.headers["Authorization"] = "Bearer s"
        await server.post("/workflows", working(), 201)
        run_id, task_id, path = await accepted(server, worker)
        del server.http.headers["Authorization"]
        await server.refused("POST", f"/tasks/{task_id}/result", 401, json={})
        await server.post(path, {"output": "by the task's token"})
        await server.wired.engine.wait(run_id, 10)  # type: ignore[arg-type]
        bearer = {"Authorization": "Bearer s"}
        assert (await server.get(f"/runs/{run_id}", headers=bearer))["state"] == {"out": "by the task's token"}


async def test_many_runs_at_once_are_all_answered(server: Server, worker: HttpWorker) -> None:
    await server.post("/workers", {**W, "url": worker.url, "max_concurrent": 20}, 201)
    await server.post("/workflows", straight(), 201)
    starts = [server.post("/workflows/working/runs?wait=10", {}, 201) for _ in range(40)]
    runs = await asyncio.gather(*starts, *(server.post("/workflows/straight/runs?wait=10", {}, 201) for _ in range(40)))
    assert {run["status"] for run in runs} == {"completed"}
    assert len({run["id"] for run in runs}) == 80


async def test_rate_limits_that_workers_report_are_shown(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({"output": 1, "rate_limit": {"remaining": 4, "limit": 10, "reset_ms": 5000}})]
    await server.post("/workers", {**W, "url": worker.url}, 201)
    assert (await server.get("/rate-limits"))["items"] == []
    await server.post("/workflows/working/runs?wait=10", {}, 201)
    (found,) = (await server.get("/rate-limits"))["items"]
    assert (found["worker_id"], found["remaining"], found["limit"], found["reset_ms"]) == ("w1", 4, 10, 5000)
    assert found["resets_at"] > found["reported_at"]


async def test_a_worker_is_sent_no_more_than_it_says_that_it_has_left(server: Server, worker: HttpWorker) -> None:
    limit = {"remaining": 1, "limit": 10, "reset_ms": 400}
    worker.script = [answer({"output": 1, "rate_limit": limit}), answer({}, 202)]
    await server.post("/workers", {**W, "url": worker.url, "max_concurrent": 9}, 201)
    await server.post("/workflows/working/runs?wait=10", {}, 201)
    runs = [await server.post("/workflows/working/runs", {}, 201) for _ in range(3)]
    waiting = [await until(server, run["id"], waits) for run in runs[1:]]
    assert (len(worker.seen), [task["reason"] for task in waiting]) == (2, ["rate_limit"] * 2)
    await worker.until(lambda: len(worker.seen) == 4)


async def test_what_is_answered_later_says_what_is_left_too(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202)]
    await server.post("/workers", {**W, "url": worker.url, "max_concurrent": 9}, 201)
    first = await server.post("/workflows/working/runs", {}, 201)
    await worker.until(lambda: len(worker.seen) == 1)
    path = worker.seen[0].body["reply_to"].partition("/v1")[2]
    await server.post(path, {"output": 1, "rate_limit": {"remaining": 0}})
    await server.settled(first["id"])
    run = await server.post("/workflows/working/runs", {}, 201)
    assert (await until(server, run["id"], waits))["reason"] == "rate_limit"
    (found,) = (await server.get("/rate-limits"))["items"]
    assert (found["remaining"], found["reset_ms"]) == (0, None)


async def test_a_run_does_not_wait_for_a_worker_beyond_its_limit(server: Server) -> None:
    document = working("impatient")
    document["nodes"]["job"]["wait_timeout_ms"] = 30
    await server.post("/workflows", document, 201)

    run = await server.post("/workflows/impatient/runs?wait=10", status=201)

    assert (run["status"], run["error"]["code"], run["error"]["node"]) == ("failed", "worker.none", "job")
