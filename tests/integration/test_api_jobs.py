"""One action on many runs: who is meant, what becomes of each, and that a job goes on after a restart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.driver import bulk
from engine.errors import StoreUnavailable
from tests.unit.api.serving import PATIENCE_S, Server, a_server, asking, straight

DIVIDING = straight(
    "dividing",
    state_schema={"n": {"type": "integer"}, "half": {}, "m": {}},
    nodes={
        "before": {"type": "transform", "updates": {"m": "{{ state.n }}"}},
        "a": {"type": "transform", "updates": {"half": {"$expr": "10 / state.n"}}},
    },
    edges=[["__start__", "before"], ["before", "a"], ["a", "__end__"]],
)
FIXED = {
    **DIVIDING,
    "nodes": {**DIVIDING["nodes"], "a": {"type": "transform", "updates": {"half": {"$expr": "state.n"}}}},
}
DOCUMENTS = (straight(), asking(), DIVIDING)
FAILED = {"status": ["failed"], "workflow_id": "dividing"}


async def start(server: Server, workflow: str, **body: Any) -> str:
    return str((await server.post(f"/workflows/{workflow}/runs?wait=10", body, 201))["id"])


async def some_failed(server: Server, count: int) -> list[str]:
    return [await start(server, "dividing", input={"n": 0}) for _ in range(count)]


async def over(server: Server, job: Any) -> Any:
    """The job once it is over."""
    return await server.get(f"/jobs/{job['id']}?wait={PATIENCE_S}")


async def runs_of(server: Server, job: Any) -> dict[str, Any]:
    return {one["run_id"]: one for one in (await server.get(f"/jobs/{job['id']}/runs?limit=1000"))["items"]}


async def test_failed_runs_are_forked_from_before_their_failure_onto_a_version_that_is_repaired(server: Server) -> None:
    failed = await some_failed(server, 5)
    well = await start(server, "dividing", input={"n": 5})
    await server.call("PUT", "/workflows/dividing", json=FIXED)
    asked = {"action": "fork", "filter": FAILED, "workflow_version": 2, "updates": {"n": 3}}
    job = await over(server, await server.post("/runs/bulk", asked, 202))

    assert (job["status"], job["total"], job["done"], job["failed"], job["progress"]) == ("completed", 5, 5, 0, "5/5")
    assert job["asked"] == asked
    found = await runs_of(server, job)
    assert set(found) == set(failed)
    assert well not in found
    for run_id, one in found.items():
        fork = await server.settled(one["made"])
        assert (fork["status"], fork["state"]["half"], fork["workflow_version"]) == ("completed", 3, 2)
        assert fork["forked_from"]["checkpoint_id"] == f"{run_id}.2"


async def test_a_dry_run_says_who_is_meant_and_does_nothing(server: Server) -> None:
    failed = await some_failed(server, 2)
    waits = await start(server, "asking")
    asked = {"action": "delete", "filter": {"status": ["failed", "interrupted"]}, "dry_run": True}
    found = await server.post("/runs/bulk", asked, 200)
    assert await server.post("/runs/bulk", {**asked, "filter": {"status": "failed,interrupted"}}, 200) == found

    assert (found["total"], set(found["runs"])) == (3, {*failed, waits})
    (refused,) = found["refused"]
    assert (refused["run_id"], "cancel it before" in refused["reason"]) == (waits, True)
    assert len((await server.get("/runs"))["items"]) == 3
    assert (await server.get("/jobs"))["items"] == []


async def test_runs_are_retried_cancelled_and_deleted(server: Server) -> None:
    failed, waits = await some_failed(server, 2), [await start(server, "asking") for _ in range(2)]
    retried = await over(server, await server.post("/runs/bulk", {"action": "retry", "filter": FAILED}, 202))
    assert (retried["done"], retried["failed"]) == (2, 0)
    for run_id in failed:
        assert (await server.settled(run_id))["status"] == "failed"
        assert [one["kind"] for one in (await server.get(f"/runs/{run_id}/checkpoints"))["items"]].count("retry") == 1
    ids = {"action": "cancel", "filter": {"ids": waits}}
    assert (await over(server, await server.post("/runs/bulk", ids, 202)))["done"] == 2
    assert [(await server.get(f"/runs/{run_id}"))["status"] for run_id in waits] == ["cancelled"] * 2
    gone = {"action": "delete", "filter": {"status": ["cancelled", "failed"]}}
    assert (await over(server, await server.post("/runs/bulk", gone, 202)))["done"] == 4
    assert (await server.get("/runs"))["items"] == []


async def test_forks_are_deleted_before_what_they_were_forked_from(server: Server) -> None:
    first = await start(server, "straight")
    names = [first]
    for _ in range(4):
        fork = await server.post("/runs/fork", {"checkpoint_id": f"{names[-1]}.1"}, 201)
        names.append((await server.settled(fork["id"]))["id"])
    asked = {"action": "delete", "filter": {"ids": names}}
    job = await over(server, await server.post("/runs/bulk", asked, 202))
    assert (job["done"], job["failed"]) == (5, 0)


async def test_what_cannot_be_done_with_one_run_is_said_and_the_others_go_on(server: Server) -> None:
    failed, well = await some_failed(server, 2), await start(server, "dividing", input={"n": 1})
    asked = {"action": "retry", "filter": {"ids": [failed[0], well, failed[1], well]}}
    job = await over(server, await server.post("/runs/bulk", asked, 202))

    assert (job["total"], job["done"], job["failed"], job["status"]) == (3, 2, 1, "completed")
    page = (await server.get(f"/jobs/{job['id']}/runs?status=failed"))["items"]
    assert [(one["run_id"], one["error"]["code"], one["made"]) for one in page] == [(well, "run.not_failed", None)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"action": "delete", "filter": {}}, "/filter"),
        ({"action": "delete", "filter": {"tag": None, "status": []}}, "/filter"),
        ({"action": "delete", "filter": {"ids": ["a"], "tag": "t"}}, "/filter"),
        ({"action": "delete", "filter": {"ids": []}}, "/filter/ids"),
        ({"action": "delete", "filter": {"status": ["gone"]}}, "/filter/status/0"),
        ({"action": "delete"}, "/filter"),
        ({"action": "cancel", "filter": {"tag": "t"}, "updates": {}}, ""),
        ({"action": "cancel", "filter": {"tag": "t"}, "config": {}}, ""),
        ({"action": "move", "filter": {"tag": "t"}}, "/action"),
        ({"action": "retry", "filter": {"tag": "t"}, "x": 1}, "/x"),
    ],
)
async def test_a_job_that_says_too_little_or_too_much_is_refused(server: Server, body: Any, path: str) -> None:
    problem = await server.refused("POST", "/runs/bulk", 422, json=body)
    assert [error["path"] for error in problem["errors"]] == [path]
    assert (await server.get("/jobs"))["items"] == []


async def test_runs_that_are_not_there_refuse_the_whole_job(server: Server) -> None:
    await server.refused("POST", "/runs/bulk", 404, json={"action": "cancel", "filter": {"ids": ["ghost"]}})
    for path in ("/jobs/ghost", "/jobs/ghost/runs"):
        await server.refused("GET", path, 404)
    await server.refused("POST", "/jobs/ghost/cancel", 404)
    none = await server.post("/runs/bulk", {"action": "cancel", "filter": {"tag": "nobody"}}, 202)
    assert (none["status"], none["total"]) == ("completed", 0)


async def test_a_job_is_begun_once_for_a_key(server: Server) -> None:
    await some_failed(server, 1)
    asked = {"json": {"action": "fork", "filter": FAILED}, "headers": {"Idempotency-Key": "once"}}
    jobs = [await server.call("POST", "/runs/bulk", 202, **asked) for _ in range(2)]
    assert jobs[0]["id"] == jobs[1]["id"]
    await over(server, jobs[0])
    assert len((await server.get("/runs"))["items"]) == 2


async def test_a_cancelled_job_deals_with_no_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = await some_failed(server, 6)
    monkeypatch.setattr(bulk, "AT_ONCE", 1)
    begun = await server.post("/runs/bulk", {"action": "fork", "filter": {"ids": failed}}, 202)
    job = await server.post(f"/jobs/{begun['id']}/cancel", {})
    found = Counter(one["status"] for one in (await runs_of(server, job)).values())

    assert (job["status"], job["done"] + job["left"]) == ("cancelled", 6)
    assert found == Counter({"done": job["done"], "cancelled": job["left"]}) - Counter()
    assert job["done"] < 6
    assert len((await server.get("/runs"))["items"]) == 6 + job["done"]
    assert (await server.post(f"/jobs/{begun['id']}/cancel", {})) == job


async def test_a_job_goes_on_where_a_server_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 1)
    async with a_server(tmp_path) as server:
        await server.post("/workflows", DIVIDING, 201)
        failed = await some_failed(server, 8)
        begun = await server.post("/runs/bulk", {"action": "fork", "filter": FAILED}, 202)
    async with a_server(tmp_path) as server:
        before = (await server.get(f"/jobs/{begun['id']}"))["done"]
        job = await over(server, begun)
        runs = (await server.get("/runs?limit=100"))["items"]
        parents = Counter(run["forked_from"] and run["forked_from"]["run_id"] for run in runs)

    assert before < job["done"] == 8
    assert parents == Counter({None: 8, **dict.fromkeys(failed, 1)})


async def test_a_job_waits_for_a_store_that_takes_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    await some_failed(server, 3)
    store, left = server.wired.store, [2]
    commit = store.commit

    async def full(batch: Any, *more: Any) -> None:
        if batch.items and left[0]:
            left[0] -= 1
            raise StoreUnavailable("the disk is full")
        await commit(batch, *more)

    monkeypatch.setattr(store, "commit", full)
    monkeypatch.setattr(server.wired.engine.loop.recovery, "retry_s", 0.01)
    job = await over(server, await server.post("/runs/bulk", {"action": "fork", "filter": FAILED}, 202))
    assert (job["done"], job["failed"], left) == (3, 0, [0])
    assert len((await server.get("/runs"))["items"]) == 6


async def test_a_server_that_is_drained_begins_no_job(server: Server) -> None:
    await some_failed(server, 1)
    await server.post("/admin/drain", {})
    await server.refused("POST", "/runs/bulk", 503, json={"action": "fork", "filter": FAILED})
