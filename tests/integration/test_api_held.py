"""Runs that came in and are held, and the beginnings of runs that came along with forks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.model import RunId
from tests.integration.moving import (
    GIVES,
    answered,
    begun,
    documents_at,
    employed,
    exported,
    forked,
    forked_from_a_fork,
    imported,
    problems,
    that_a_worker_has_accepted,
    that_waits_for_somebody,
)
from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, http_worker


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path / "here") as found:
        await documents_at(found)
        yield found


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path / "there") as found:
        yield found


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    async with http_worker() as found:
        yield found


async def refused(server: Server, method: str, path: str, status: int = 409, body: Any = None) -> str:
    problem = await server.refused(method, path, status, **({} if body is None else {"json": body}))
    return str(problem["code"])


# ---- held until it is released


async def test_nothing_but_a_release_moves_a_run_that_is_held(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    await imported(there, await exported(here, run))
    (asked,) = (await there.get("/interrupts?status=open"))["items"]
    here_it_is = {"checkpoint_id": f"{run}.1"}
    acts: list[tuple[str, Any]] = [
        ("resume", {"resume": 1}), ("cancel", None), ("replay", here_it_is), ("state", {"updates": {"n": 1}}),
        ("state", {"updates": {"n": 1}, "after_node": "two"}), ("branches/main/checkout", None), ("retry", None),
    ]  # fmt: skip
    for act, body in acts:
        assert await refused(there, "POST", f"/runs/{run}/{act}", body=body) == "run.held", act
    assert await refused(there, "POST", f"/interrupts/{asked['id']}/resume", body={"resume": 1}) == "run.held"
    assert (await there.get(f"/runs/{run}"))["checkpoint_count"] == 3


async def test_a_run_that_was_released_is_answered(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    await imported(there, await exported(here, run))
    released = await there.post(f"/runs/{run}/release")
    assert (released["hold"], released["status"]) == (None, "interrupted")
    assert await refused(there, "POST", f"/runs/{run}/release") == "run.not_held"
    await answered(there, run)
    assert (await there.get(f"/runs/{run}"))["state"] == {"n": 9, "said": "yes", "last": 90}
    assert await problems(there, run) == []


async def test_a_run_is_released_at_once_where_that_is_asked_for(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run = await that_waits_for_somebody(here, worker)
    assert (await imported(there, await exported(here, run), query="?start=true"))["hold"] is None
    await answered(there, run)


async def test_starting_what_has_ended_changes_nothing(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await answered(here, await begun(here, "asks"))
    text = await exported(here, run)
    assert (await imported(there, text, query="?start=true"))["status"] == "completed"
    assert await exported(there, run) == text


async def test_tasks_that_a_worker_has_accepted_elsewhere_are_sent_again(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run = await that_a_worker_has_accepted(here, worker)
    text = await exported(here, run)
    await employed(there, worker, GIVES)
    await imported(there, text)
    assert len(worker.seen) == 1
    await there.post(f"/runs/{run}/release")
    end = await there.settled(run)
    assert (end["status"], end["state"]) == ("completed", {"n": 1, "out": "done"})
    first, second = worker.seen
    assert (first.headers["idempotency-key"], first.body["attempt"]) == (
        second.headers["idempotency-key"],
        second.body["attempt"],
    )
    (task,) = [item for item in (await there.get(f"/runs/{run}/trace"))["items"] if item["node"] == "job"]
    assert [wait["reason"] for wait in task["waits"]] == ["imported"]
    assert await problems(there, run) == []


async def test_a_server_that_begins_leaves_held_runs_alone(here: Server, tmp_path: Path, worker: HttpWorker) -> None:
    run = await that_a_worker_has_accepted(here, worker)
    text = await exported(here, run)
    for status in (201, 200):
        async with a_server(tmp_path / "there") as there:
            await imported(there, text, status)
            assert there.wired.engine.loop.live(RunId(run)) is None
            assert await exported(there, run) == text


async def test_a_server_that_is_drained_takes_runs_in_and_releases_none(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run = await that_waits_for_somebody(here, worker)
    text = await exported(here, run)
    await there.post("/admin/drain")
    response = await there.http.post("/runs/import?start=true", content=text)
    assert (response.status_code, response.json()["code"]) == (503, "server.draining")
    assert (await there.get("/runs"))["items"] == []
    await imported(there, text)
    await there.refused("POST", f"/runs/{run}/release", 503)


async def test_a_held_run_can_be_forked_and_deleted(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await that_waits_for_somebody(here, worker)
    await imported(there, await exported(here, run))
    fork = await answered(there, await forked(there, f"{run}.2"))
    assert (await there.get(f"/runs/{fork}"))["hold"] is None
    assert await refused(there, "DELETE", f"/runs/{run}") == "run.has_forks"
    await there.call("DELETE", f"/runs/{fork}", 204)
    await there.call("DELETE", f"/runs/{run}", 204)
    assert (await there.get("/runs"))["items"] == []


# ---- beginnings


async def test_the_beginning_of_a_run_is_read_and_forked_and_no_more(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    fork = await forked_from_a_fork(here, worker)
    above = (await here.get(f"/runs/{fork}"))["parent_id"]
    await imported(there, await exported(here, fork))
    assert [item["id"] for item in (await there.get("/runs"))["items"]] == [fork]
    part = await there.get(f"/runs/{above}")
    assert (part["hold"], part["checkpoint_count"]) == ("ancestor", 2)
    assert await refused(there, "POST", f"/runs/{above}/replay", body={"checkpoint_id": f"{above}.1"}) == "run.part"
    assert await refused(there, "POST", f"/runs/{above}/release") == "run.part"
    assert await refused(there, "GET", f"/runs/{above}/export") == "run.part"
    again = await answered(there, await forked(there, f"{above}.2"))
    assert (await there.get(f"/runs/{again}"))["status"] == "completed"
    assert await problems(there, again) == []


async def test_beginnings_go_with_the_last_fork_that_reads_them(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    one = await forked_from_a_fork(here, worker)
    middle = (await here.get(f"/runs/{one}"))["parent_id"]
    origin = (await here.get(f"/runs/{middle}"))["parent_id"]
    other = await forked(here, f"{middle}.1")
    for name in (one, other):
        await imported(there, await exported(here, name))
    await there.call("DELETE", f"/runs/{one}", 204)
    assert (await there.get(f"/runs/{origin}"))["hold"] == "ancestor"
    await there.call("DELETE", f"/runs/{other}", 204)
    for name in (origin, middle):
        await there.refused("GET", f"/runs/{name}", 404)


async def test_a_beginning_becomes_the_run_when_that_comes_in(here: Server, there: Server, worker: HttpWorker) -> None:
    fork = await forked_from_a_fork(here, worker)
    middle = (await here.get(f"/runs/{fork}"))["parent_id"]
    texts = {name: await exported(here, name) for name in (fork, middle)}
    await imported(there, texts[fork])
    assert (await imported(there, texts[middle]))["hold"] is None
    assert {name: await exported(there, name) for name in texts} == texts
    listed = {item["id"]: item["status"] for item in (await there.get("/runs"))["items"]}
    assert listed == {fork: "completed", middle: "completed"}
    for name in texts:
        assert await problems(there, name) == []


async def test_a_beginning_grows_with_what_later_forks_read(here: Server, there: Server, worker: HttpWorker) -> None:
    run = await answered(here, await begun(here, "asks"))
    forks = [await forked(here, f"{run}.{seq}", goto="one") for seq in (1, 4, 2)]
    texts = {fork: await exported(here, fork) for fork in forks}
    counts = []
    for text in texts.values():
        await imported(there, text)
        counts.append((await there.get(f"/runs/{run}"))["checkpoint_count"])
    assert counts == [1, 4, 4]
    assert {fork: await exported(there, fork) for fork in texts} == texts


async def test_a_whole_run_that_is_here_is_read_by_forks_that_come_in(
    here: Server, there: Server, worker: HttpWorker
) -> None:
    run = await answered(here, await begun(here, "asks"))
    await imported(there, await exported(here, run))
    fork = await forked(here, f"{run}.2")
    text = await exported(here, fork)
    await imported(there, text)
    assert (await there.get(f"/runs/{run}"))["hold"] is None
    assert await exported(there, fork) == text
    assert await refused(there, "DELETE", f"/runs/{run}") == "run.has_forks"
