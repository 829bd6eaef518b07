"""Sessions in which a run is not over: what becomes of those that come meanwhile, also over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.talking import DOCUMENTS, ended, has_worker, held, reply, say, start, status, texts
from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker

# ---- who comes while a run goes on


@pytest.mark.parametrize("on_busy", [{}, {"on_busy": "reject"}])
async def test_a_busy_session_refuses_another_run(server: Server, worker: HttpWorker, on_busy: Any) -> None:
    await has_worker(server, worker)
    await say(server, "one")

    problem = await server.refused("POST", "/workflows/straight/runs", 409, json={"session_id": "s", **on_busy})

    assert problem["code"] == "session.busy"
    assert len((await server.get("/runs?session_id=s"))["items"]) == 1
    await ended(server, "another")


async def test_a_run_that_waits_for_an_answer_is_not_over(server: Server) -> None:
    await ended(server, workflow="asking")

    problem = await server.refused("POST", "/workflows/straight/runs", 409, json={"session_id": "s"})

    assert problem["code"] == "session.busy"


async def test_of_two_starts_at_one_moment_one_wins(server: Server) -> None:
    bodies = [{"session_id": "s"}] * 8
    found = await asyncio.gather(*(server.http.post("/workflows/asking/runs", json=body) for body in bodies))

    assert sorted(one.status_code for one in found) == [201, *[409] * 7]


async def test_runs_wait_for_their_turn_in_the_order_in_which_they_came(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    first = await say(server, "0")
    await held(server, worker)
    waiting = [await say(server, str(number), on_busy="enqueue") for number in (1, 2, 3)]
    statuses = [await status(server, run) for run in waiting]
    for number, text in enumerate("abcd"):
        await held(server, worker, number + 1)
        await reply(server, worker, number, text)
    last = await server.settled(waiting[-1]["id"])

    assert statuses == ["queued"] * 3
    assert texts(last["state"]) == ["0", "a", "1", "b", "2", "c", "3", "d"]
    assert [run["id"] for run in (await server.get("/sessions/s"))["runs"]] == [
        *(run["id"] for run in reversed(waiting)), first["id"],
    ]  # fmt: skip


async def test_what_waits_has_no_checkpoints_and_says_so(server: Server) -> None:
    await start(server, workflow="asking")

    run = await start(server, on_busy="enqueue", input={"n": 3})

    assert (run["status"], run["checkpoint_count"], run["latest_checkpoint_id"]) == ("queued", 0, None)
    assert (run["state"], run["tasks"], run["branches"], run["input"]) == ({}, [], [], {"n": 3})
    path = f"/runs/{run['id']}"
    for list_of in ("checkpoints", "tasks", "trace"):
        assert (await server.get(f"{path}/{list_of}"))["items"] == []
    assert (await server.refused("GET", f"{path}/export", 409))["code"] == "run.queued"
    await server.refused("POST", f"{path}/fork", 404, json={"checkpoint_id": f"{run['id']}.1"})
    assert (await server.refused("DELETE", path, 409))["code"] == "run.active"


@pytest.mark.parametrize("restart", [False, True])
async def test_state_is_written_into_what_waits_once_it_has_begun(tmp_path: Path, restart: bool) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        first = await start(server, workflow="asking")
        run = await start(server, on_busy="enqueue", input={"n": 3})
        path = f"/runs/{run['id']}"
        now = await server.post(f"{path}/state", {"updates": {"n": 10}}, 202)
        later = await server.post(f"{path}/state", {"updates": {"n": 100}, "after_node": "a"}, 202)
        problem = await server.refused("POST", f"{path}/state", 422, json={"updates": {"m": 1}})
        if not restart:
            await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
            run = await server.settled(run["id"])
    if restart:
        async with a_server(tmp_path) as server:
            await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
            run = await server.settled(run["id"])
    assert [told["pending"]["after_node"] for told in (now, later)] == ["__start__", "a"]
    assert problem["code"] == "state.unknown_key"
    assert (run["status"], run["state"]) == ("completed", {"n": 114})


async def test_a_run_that_waits_can_be_cancelled(server: Server) -> None:
    first = await start(server, workflow="asking")
    gone, then = [await start(server, on_busy="enqueue", input={"n": number}) for number in (10, 20)]

    cancelled = await server.post(f"/runs/{gone['id']}/cancel")
    await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
    then = await server.settled(then["id"])

    assert (cancelled["status"], cancelled["checkpoint_count"]) == ("cancelled", 0)
    assert then["state"] == {"n": 21}
    problem = await server.refused("POST", f"/runs/{gone['id']}/retry", 409, json={})
    assert problem["code"] == "run.not_failed"
    await server.call("DELETE", f"/runs/{gone['id']}", 204)


async def test_what_does_not_fit_when_its_turn_comes_has_failed_and_the_next_one_begins(server: Server) -> None:
    first = await start(server, workflow="asking")
    await ended(server, "t", input={"n": 1})
    large, unfit, then = [await start(server, on_busy="enqueue", input={"n": n}) for n in (2**62, 2**62, 5)]

    await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
    runs = [await server.settled(run["id"]) for run in (large, unfit, then)]

    assert [run["status"] for run in runs] == ["completed", "failed", "completed"]
    assert (runs[1]["error"]["code"], runs[1]["checkpoint_count"]) == ("state.invalid", 0)
    assert runs[2]["state"] == {"n": 2**62 + 7}
    problem = await server.refused("POST", f"/runs/{unfit['id']}/retry", 409, json={})
    assert problem["code"] == "run.not_begun"


async def test_an_input_that_never_fits_does_not_wait(server: Server) -> None:
    await start(server, workflow="asking")

    body = {"session_id": "s", "on_busy": "enqueue", "input": {"m": 1}}
    problem = await server.refused("POST", "/workflows/straight/runs", 422, json=body)

    assert problem["code"] == "state.unknown_key"


async def test_a_run_takes_the_place_of_the_one_that_it_cancels(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    first = await say(server, "one")
    await held(server, worker)

    run = await say(server, "two", on_busy="cancel")

    assert (await status(server, first), run["status"]) == ("cancelled", "running")
    await held(server, worker, 2)
    await reply(server, worker, 1, "b")
    run = await server.settled(run["id"])
    assert texts(run["state"]) == ["one", "two", "b"]
    checkpoints = (await server.get("/sessions/s/checkpoints"))["items"]
    kinds = [found["kind"] for found in checkpoints]
    assert kinds == ["end", "node", "node", "start", "cancel", "start"]
    assert [one["parent_id"] for one in checkpoints] == [*(one["id"] for one in checkpoints[1:]), None]


async def test_a_refused_input_cancels_nothing(server: Server) -> None:
    first = await start(server, workflow="asking")

    body = {"session_id": "s", "on_busy": "cancel", "input": {"m": 1}}
    await server.refused("POST", "/workflows/straight/runs", 422, json=body)

    assert await status(server, first) == "interrupted"


async def test_a_run_begins_when_the_one_that_it_interrupts_has_stopped(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    first = await say(server, "one")
    await held(server, worker)

    run = await say(server, "two", on_busy="interrupt")
    before = (await status(server, first), run["status"])
    await reply(server, worker, 0, "a")
    first = await server.settled(first["id"])
    await held(server, worker, 2)
    await reply(server, worker, 1, "b")
    run = await server.settled(run["id"])

    assert before == ("running", "queued")
    assert (first["status"], [found["kind"] for found in first["interrupts"]]) == ("interrupted", ["breakpoint"])
    assert texts(run["state"]) == ["one", "a", "two", "b"]
    resumed = await server.post(f"/runs/{first['id']}/resume", {})
    resumed = await server.settled(resumed["id"])
    assert (resumed["status"], resumed["state"]["n"], texts(resumed["state"])) == ("completed", 1, ["one", "a"])
    assert (await ended(server, workflow="asking", on_busy="reject"))["status"] == "interrupted"


async def test_what_waits_for_a_worker_is_interrupted_at_once(server: Server) -> None:
    first = await say(server, "one")

    run = await ended(server, on_busy="interrupt")

    assert (await status(server, first), run["status"]) == ("interrupted", "completed")


async def test_a_question_is_set_aside_for_a_run_that_interrupts(server: Server) -> None:
    first = await ended(server, workflow="asking")

    run = await start(server, on_busy="interrupt")

    assert run["status"] in ("running", "completed")
    assert (await server.settled(first["id"]))["status"] == "interrupted"
    await server.settled(run["id"])
    await ended(server)


async def test_who_gives_up_waiting_lets_the_other_go_on(server: Server, worker: HttpWorker) -> None:
    await has_worker(server, worker)
    first = await say(server, "one")
    await held(server, worker)
    run = await say(server, "two", on_busy="interrupt")

    await server.post(f"/runs/{run['id']}/cancel")
    await server.wired.engine.sessions.go_on("s")  # what follows from that has happened
    await reply(server, worker, 0, "a")

    assert (await server.settled(first["id"]))["status"] == "completed"


# ---- over restarts


async def test_those_that_wait_begin_after_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        first = await start(server, workflow="asking")
        waiting = [await start(server, on_busy="enqueue", input={"n": 10**number}) for number in range(3)]
    async with a_server(tmp_path) as server:
        assert await status(server, waiting[0]) == "queued"
        await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
        states = [(await server.settled(run["id"]))["state"] for run in waiting]
    assert states == [{"n": 2}, {"n": 13}, {"n": 114}]


async def test_a_run_whose_turn_came_while_the_server_was_down_begins(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        first = await start(server, workflow="asking")
        waiting = await start(server, on_busy="enqueue")
        server.wired.engine.loop.on_session = lambda session: None  # nothing is begun any more before the end
        await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
        await server.settled(first["id"])
        assert await status(server, waiting) == "queued"
    async with a_server(tmp_path) as server:
        assert (await server.settled(waiting["id"]))["status"] == "completed"


async def test_a_run_that_is_to_stop_stops_after_a_restart(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        await has_worker(server, worker)
        first = await say(server, "one")
        await held(server, worker)
        run = await start(server, on_busy="interrupt")
    async with a_server(tmp_path) as server:
        await reply(server, worker, 0, "a")
        assert (await server.settled(run["id"]))["status"] == "completed"
        assert (await server.settled(first["id"]))["status"] == "interrupted"


@pytest.mark.parametrize("asked_before", [False, True])
async def test_what_waits_for_a_worker_is_interrupted_after_a_restart_too(tmp_path: Path, asked_before: bool) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        first = await say(server, "one")
        await server.wired.engine.loop.idle()
        if asked_before:
            server.wired.engine.loop.on_session = lambda session: None
            server.wired.engine.sessions.draining = lambda: True  # as if it ended before the other run was stopped
            run = await start(server, on_busy="interrupt")
    async with a_server(tmp_path) as server:
        if not asked_before:
            run = await start(server, on_busy="interrupt")
        assert (await server.settled(run["id"]))["status"] == "completed"
        assert await status(server, first) == "interrupted"


async def test_nothing_that_waits_begins_while_the_server_is_drained(server: Server) -> None:
    first = await start(server, workflow="asking")
    waiting = await start(server, on_busy="enqueue")
    await server.post("/admin/drain", {})
    await server.post(f"/runs/{first['id']}/resume", {"resume": 1})
    await server.settled(first["id"])
    await server.wired.engine.loop.idle()  # all that follows from that has had its turn
    drained = await status(server, waiting)

    await server.post("/admin/drain", {"draining": False})

    assert drained == "queued"
    assert (await server.settled(waiting["id"]))["status"] == "completed"
