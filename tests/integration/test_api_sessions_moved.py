"""Sessions and what is kept of their runs: written as files and taken in elsewhere, verified, and given up by age."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.model import RunId
from engine.verify import verify_run
from tests.integration import talking
from tests.integration.talking import ended, has_worker, held, reply, say, start, status
from tests.unit.api.serving import Server, a_server, straight
from tests.unit.dispatch.builders import HttpWorker
from watcher.retention import Retention, Rules

DOCUMENTS = talking.DOCUMENTS


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Server]:
    """Another server, with nothing in it."""
    (folder := tmp_path / "other").mkdir()
    async with a_server(folder) as found:
        yield found


async def written(server: Server, run: Any) -> bytes:
    return (await server.http.get(f"/runs/{run['id']}/export")).content


async def taken_in(server: Server, text: bytes, status: int = 201) -> Any:
    return await server.call("POST", "/runs/import", status, content=text)


async def problems(server: Server, run: Any) -> list[str]:
    report = await verify_run(server.wired.store, RunId(run["id"]), server.wired.workflows.graph)
    return report.problems


# ---- moved


async def test_a_session_goes_on_at_another_server(server: Server, other: Server) -> None:
    runs = [await ended(server, input={"n": number}) for number in (1, 2, 3)]
    text = await written(server, runs[-1])

    moved = await taken_in(other, text)
    again = await ended(other, input={"n": 10})

    assert (moved["session_id"], moved["parent_id"], moved["state"]) == ("s", runs[1]["id"], {"n": 9})
    assert await written(other, moved) == text
    assert (again["state"], again["parent_id"]) == ({"n": 20}, moved["id"])
    assert [await problems(other, run) for run in (moved, again)] == [[], []]
    shown = await other.get("/sessions/s")
    assert [run["id"] for run in shown["runs"]] == [again["id"], moved["id"]]


async def test_runs_of_a_session_may_come_one_after_another(server: Server, other: Server) -> None:
    runs = [await ended(server, input={"n": number}) for number in (1, 2, 3)]

    for run in (runs[0], runs[2], runs[1]):
        await taken_in(other, await written(server, run))

    assert [run["id"] for run in (await other.get("/sessions/s"))["runs"]] == [run["id"] for run in reversed(runs)]
    assert (await ended(other, input={"n": 10}))["state"] == {"n": 20}


async def test_a_session_that_went_on_otherwise_takes_no_other_run_in(server: Server, other: Server) -> None:
    first = await ended(server, input={"n": 1})
    await taken_in(other, await written(server, first))
    here = await ended(server, input={"n": 2})
    await ended(other, input={"n": 3})

    problem = await other.refused("POST", "/runs/import", 409, content=await written(server, here))

    assert problem["code"] == "session.differs"
    assert (await ended(other))["state"] == {"n": 7}


async def test_a_fork_brings_the_runs_before_it_and_no_session(server: Server, other: Server) -> None:
    runs = [await ended(server, input={"n": number}) for number in (1, 2)]
    body = {"checkpoint_id": f"{runs[1]['id']}.1", "updates": {"n": 100}}
    fork = await server.settled((await server.post(f"/runs/{runs[1]['id']}/fork", body, 201))["id"])
    text = await written(server, fork)

    moved = await taken_in(other, text)

    assert (moved["session_id"], moved["state"]) == (None, {"n": 105})
    assert (await written(other, moved), await problems(other, moved)) == (text, [])
    assert (await other.get("/sessions"))["items"] == []
    await other.refused("GET", "/sessions/s", 404)
    blame = await other.get(f"/runs/{moved['id']}/blame?path=n")
    assert [found["run_id"] for found in blame["items"]] == [moved["id"]] * 2 + [runs[1]["id"]] + [runs[0]["id"]] * 2


async def test_a_run_that_was_taken_in_and_goes_on_holds_its_session(server: Server, other: Server) -> None:
    run = await ended(server, workflow="asking")
    moved = await taken_in(other, await written(server, run))
    await other.post("/workflows", straight(), 201)

    busy = await other.refused("POST", "/workflows/straight/runs", 409, json={"session_id": "s"})
    cancel = {"session_id": "s", "on_busy": "cancel"}
    kept = await other.refused("POST", "/workflows/straight/runs", 409, json=cancel)
    queued = await start(other, on_busy="enqueue")
    await other.call("DELETE", f"/runs/{moved['id']}", 204)

    assert (busy["code"], kept["code"], queued["status"]) == ("session.busy", "run.held", "queued")
    assert (await other.settled(queued["id"]))["status"] == "completed"


# ---- verified


async def test_what_sessions_make_is_found_right(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    first = await say(server, "one")
    await held(server, worker)
    second = await say(server, "two", on_busy="interrupt")
    await reply(server, worker, 0, "a")
    await held(server, worker, 2)
    third = await say(server, "three", on_busy="cancel")
    await held(server, worker, 3)
    queued = await say(server, "four", on_busy="enqueue")
    await reply(server, worker, 2, "c")
    await server.settled(third["id"])
    await server.post(f"/runs/{first['id']}/resume", {})
    await server.settled(first["id"])

    for run in (first, second, third, queued):
        assert await problems(server, run) == []
    assert [await status(server, run) for run in (first, second, third)] == ["completed", "cancelled", "completed"]


async def test_a_run_that_never_began_has_nothing_wrong(server: Server) -> None:
    await start(server, workflow="asking")
    run = await start(server, on_busy="enqueue")

    assert await problems(server, run) == []


# ---- given up


async def test_runs_that_a_kept_one_goes_on_from_are_kept(server: Server) -> None:
    old = [await ended(server) for _ in range(3)]
    kept = await start(server, workflow="asking")
    store, engine = server.wired.store, server.wired.engine
    await server.post(f"/runs/{kept['id']}/resume", {"resume": 1})
    await server.settled(kept["id"])
    one, two = [
        Retention(store=store, delete=engine.delete, rules=Rules(keep_last=most), clock=engine.clock) for most in (1, 0)
    ]

    first = await one.sweep()
    left = [run["id"] for run in (await server.get("/sessions/s"))["runs"]]
    second = await two.sweep()

    assert (first, left) == (0, [kept["id"], *(run["id"] for run in reversed(old))])
    assert second == 4
    await server.refused("GET", "/sessions/s", 404)
