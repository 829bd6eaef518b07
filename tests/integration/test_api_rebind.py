"""Workers that are drained, and tasks that are taken from their workers and given to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.pulling import P, answered, beats, begun, leased, path_of
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
