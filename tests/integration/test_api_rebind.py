"""Workers that are drained, and tasks that are taken from their workers and given to others."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dispatch._secrets import task_secret
from engine.model import TaskId
from tests.integration.pulling import PATIENCE_S, P, answered, beats, begun, leased, path_of, retrying
from tests.integration.test_api_workers import W, accepted
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, answer

DOCUMENTS = (working(),)


async def test_a_drained_worker_gets_nothing_more_and_finishes_what_it_has(server: Server) -> None:
    await server.post("/workers", {**P, "max_concurrent": 5}, 201)
    run_id = await begun(server)
    (item,) = await leased(server, worker_id="p1")
    drained = await server.post("/workers/p1/drain")
    assert (drained["status"], drained["in_flight"], drained["handed_back"]) == ("draining", 1, [])
    later = await begun(server)
    assert await server.post("/tasks/lease", {"worker_id": "p1"}) == {"items": []}
    await answered(server, item, {"output": 1})
    assert (await server.settled(run_id))["status"] == "completed"
    assert (await server.post("/workers/p1/drain", {"draining": False}))["status"] == "active"
    assert [found["task"]["run_id"] for found in await leased(server, worker_id="p1")] == [later]


async def test_what_a_drained_worker_hands_back_goes_to_others_as_the_same_attempt(server: Server) -> None:
    await server.post("/workers", P, 201)
    run_id = await begun(server)
    (held,) = await leased(server, worker_id="p1")
    drained = await server.post("/workers/p1/drain", {"mode": "hand_back"})
    task_id = held["task"]["task_id"]
    assert drained["handed_back"] == [{"run_id": run_id, "task_id": task_id, "node": "job", "worker_id": "p1"}]
    assert (await server.post("/workers/p1/drain", {"mode": "hand_back"}))["handed_back"] == []
    (item,) = await leased(server)
    assert (item["task"]["task_id"], item["task"]["attempt"]) == (task_id, 1)
    await answered(server, item, {"output": 2})
    assert (await server.settled(run_id))["state"]["out"] == 2


async def test_nobody_unknown_is_drained(server: Server) -> None:
    await server.refused("POST", "/workers/nobody/drain", 404, json={})
    await server.refused("POST", "/workers/x/drain", 422, json={"mode": "now"})


async def test_a_task_is_rebound_to_the_worker_that_is_named(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202)]
    run_id, task_id, _ = await accepted(server, worker)
    await server.post("/workers", P, 201)
    moved = await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p1"})
    assert moved["items"] == [{"run_id": run_id, "task_id": task_id, "node": "job", "worker_id": "w1"}]
    (item,) = await leased(server, worker_id="p1")
    assert (await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p1"}))["items"] == []
    await answered(server, item, {"output": 3})
    assert (await server.settled(run_id))["state"]["out"] == 3


async def test_what_is_rebound_is_written_down_with_who_did_it(server: Server, worker: HttpWorker) -> None:
    run_id, task_id, _ = await accepted(server, worker)
    await server.post(f"/runs/{run_id}/rebind", {"held_by": "w1"})
    attempts = (await server.get(f"/runs/{run_id}/tasks/{task_id}"))["attempts"]
    (rebound,) = (found for found in attempts if found["kind"] == "rebound")
    assert (rebound["worker"], rebound["to"], rebound["actor"], rebound["attempt"]) == ("w1", None, "api", 1)


async def test_without_a_name_anybody_else_gets_it(server: Server, worker: HttpWorker) -> None:
    run_id, _, _ = await accepted(server, worker)
    await server.post(f"/runs/{run_id}/rebind")
    asked = len(worker.seen)
    (item,) = await leased(server)
    assert (item["task"]["attempt"], len(worker.seen)) == (1, asked)
    assert (await server.post(f"/runs/{run_id}/rebind", {"held_by": "w1"}))["items"] == []


async def test_a_worker_is_told_that_its_task_went_elsewhere(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, status=202)]
    await server.post("/workers", {**W, "url": worker.url, "metadata": {"cancel": True}}, 201)
    run_id = await begun(server)
    await worker.until(lambda: len(worker.seen) == 1)
    task_id = (await server.get(f"/runs/{run_id}"))["tasks"][0]["id"]
    await server.post(f"/runs/{run_id}/rebind")
    await worker.until(lambda: len(worker.seen) == 2)
    assert (worker.seen[1].method, worker.seen[1].path) == ("DELETE", f"/{task_id}")


async def test_a_task_that_waits_for_the_worker_it_was_given_to_can_be_given_to_another(server: Server) -> None:
    for name in ("p1", "p2", "p3"):
        await server.post("/workers", {**P, "id": name}, 201)
    run_id = await begun(server)
    await leased(server, worker_id="p1")
    await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p2"})
    assert await server.post("/tasks/lease", {"worker_id": "p3"}) == {"items": []}
    assert [found["worker_id"] for found in (await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p3"}))["items"]]
    assert len(await leased(server, worker_id="p3")) == 1


async def test_the_worker_that_was_left_may_be_drained_with_it(server: Server, worker: HttpWorker) -> None:
    run_id, _, _ = await accepted(server, worker)
    assert (await server.post(f"/runs/{run_id}/rebind", {"drain": True}))["drained"] == ["w1"]
    assert (await server.get("/workers/w1"))["status"] == "draining"


async def test_only_the_node_that_is_named_is_rebound(server: Server, worker: HttpWorker) -> None:
    run_id, _, _ = await accepted(server, worker)
    assert (await server.post(f"/runs/{run_id}/rebind", {"node": "other"}))["items"] == []


@pytest.mark.parametrize("to", ["nobody", "w1"])
async def test_a_worker_that_gets_nothing_is_refused(server: Server, worker: HttpWorker, to: str) -> None:
    run_id, _, _ = await accepted(server, worker)
    await server.post("/workers/w1/drain")
    status, code = (404, "not_found") if to == "nobody" else (409, "worker.draining")
    assert (await server.refused("POST", f"/runs/{run_id}/rebind", status, json={"worker_id": to}))["code"] == code


async def test_a_run_that_is_over_has_nothing_to_rebind(server: Server, worker: HttpWorker) -> None:
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run_id = await begun(server)
    await server.settled(run_id)
    assert (await server.refused("POST", f"/runs/{run_id}/rebind", 409, json={}))["code"] == "run.terminal"
    await server.refused("POST", "/runs/nothing/rebind", 404, json={})


async def test_the_answer_of_the_worker_that_was_left_still_counts_where_it_is_first(
    server: Server, worker: HttpWorker
) -> None:
    run_id, _, path = await accepted(server, worker)
    await server.post(f"/runs/{run_id}/rebind")
    (item,) = await leased(server)
    await server.post(path, {"output": 1})
    assert (await server.settled(run_id))["state"]["out"] == 1
    assert (await server.refused("POST", path_of(item["reply_to"]), 409, json={"output": 2}))["code"] == "task.late"


async def test_what_was_rebound_stays_so_after_a_restart(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id, _, _ = await accepted(server, worker)
        await server.post("/workers", P, 201)
        await server.post("/workers", {**P, "id": "p2"}, 201)
        await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p1"})
    async with a_server(tmp_path) as server:
        assert await server.post("/tasks/lease", {"worker_id": "p2"}) == {"items": []}
        (item,) = await leased(server, worker_id="p1")
        assert item["task"]["attempt"] == 1
        assert (await beats(server, item))["wanted"] is True


# ---- what is said by the worker that a task was taken from


async def moved(server: Server) -> tuple[str, Any, Any]:
    """A run whose task went from one worker to another, and what each of the two was given."""
    for name in ("p1", "p2"):
        await server.post("/workers", {**P, "id": name}, 201)
    run_id = await begun(server)
    (left,) = await leased(server, worker_id="p1")
    await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p2"})
    (held,) = await leased(server, worker_id="p2")
    return run_id, left, held


async def test_its_heartbeats_say_that_nobody_wants_its_work_and_those_of_the_new_holder_that_somebody_does(
    server: Server,
) -> None:
    _, left, held = await moved(server)
    assert ((await beats(server, left))["wanted"], (await beats(server, held))["wanted"]) == (False, True)


async def test_its_heartbeats_say_so_before_anybody_else_has_the_task(server: Server) -> None:
    await server.post("/workers", P, 201)
    run_id = await begun(server)
    (left,) = await leased(server, worker_id="p1")
    await server.post(f"/runs/{run_id}/rebind")
    assert (await beats(server, left))["wanted"] is False


async def test_its_heartbeats_do_not_keep_the_lease_of_the_new_holder(server: Server) -> None:
    for name in ("p1", "p2"):
        await server.post("/workers", {**P, "id": name}, 201)
    await server.post("/workflows", retrying(max_attempts=2), 201)
    run_id = await begun(server, "retrying")
    (left,) = await leased(server, worker_id="p1")
    await server.post(f"/runs/{run_id}/rebind", {"worker_id": "p2"})
    await leased(server, worker_id="p2", lease_ms=1000)
    async with asyncio.timeout(PATIENCE_S):
        while (await server.get(f"/runs/{run_id}"))["tasks"][0]["attempt"] == 1:
            await beats(server, left)
            await asyncio.sleep(0.1)


async def test_that_it_failed_changes_nothing(server: Server) -> None:
    run_id, left, held = await moved(server)
    failed = {"error": {"code": "no", "message": "no", "retryable": False}}
    assert (await server.refused("POST", path_of(left["reply_to"]), 409, json=failed))["code"] == "task.late"
    await answered(server, held, {"output": 5})
    assert (await server.settled(run_id))["state"]["out"] == 5


async def test_that_the_new_holder_failed_counts(server: Server) -> None:
    run_id, _, held = await moved(server)
    await answered(server, held, {"error": {"code": "no", "message": "no", "retryable": False}})
    run = await server.settled(run_id)
    assert (run["status"], run["error"]["code"]) == ("failed", "no")


async def test_what_it_reports_is_refused(server: Server) -> None:
    run_id, left, held = await moved(server)
    paths = [path_of(item["reply_to"]).replace("/result", "/progress") for item in (left, held)]
    assert (await server.refused("POST", paths[0], 409, json={"message": "left"}))["code"] == "task.moved"
    await server.post(paths[1], {"message": "held"})
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    assert task["progress"]["message"] == "held"


async def test_its_good_answer_is_not_said_to_be_the_new_holders_who_is_told_to_stop(server: Server) -> None:
    run_id, left, held = await moved(server)
    await answered(server, left, {"output": 4})
    assert (await server.settled(run_id))["state"]["out"] == 4
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    assert task["worker_id"] is None
    assert (await beats(server, held))["wanted"] is False


async def test_it_is_known_for_what_it_is_after_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        _, left, held = await moved(server)
    async with a_server(tmp_path) as server:
        assert ((await beats(server, left))["wanted"], (await beats(server, held))["wanted"]) == (False, True)


async def test_a_token_of_an_earlier_version_is_for_whoever_holds_the_task(server: Server) -> None:
    run_id, _, held = await moved(server)
    key, task_id = server.wired.answers.key, TaskId(held["task"]["task_id"])
    place = f"{run_id}.0.1"
    token = f"{place}.{task_secret(key, TaskId(f'{place}/{task_id}'))}"
    assert (await server.post(f"/tasks/{task_id}/heartbeat?token={token}"))["wanted"] is True
