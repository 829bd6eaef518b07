"""Runs of sessions that have to wait for more than their session: keys, room, times, and who goes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.talking import start
from tests.integration.test_api_turns import DOCUMENTS, asked, at, one_running
from tests.unit.api.serving import Server, a_server


async def stands(server: Server, *runs: Any) -> list[tuple[str, str | None]]:
    """Where runs stand, and why, once nothing moves any more."""
    engine = server.wired.engine
    await engine.loop.idle()
    while engine.door._tasks or len(engine.loop._tasks) > 2:  # all but the two that never end
        await engine.loop.idle()
    found = [await server.get(f"/runs/{run['id']}") for run in runs]
    return [(run["status"], run["reason"]) for run in found]


async def resumed(server: Server, run: Any) -> None:
    await server.settled(run["id"])
    await server.post(f"/runs/{run['id']}/resume", {"resume": 1})
    await server.settled(run["id"])


async def test_a_run_of_a_session_waits_for_its_key(server: Server) -> None:
    stranger = await asked(server, concurrency_key="k")
    run = await start(server, workflow="asking", concurrency_key="k")
    after = await start(server, workflow="asking", on_busy="enqueue")
    before = [(one["status"], one["reason"]) for one in (run, after)]
    refused = await server.refused("POST", "/workflows/asking/runs", 409, json={"session_id": "s"})

    await resumed(server, stranger)

    assert before == [("queued", "concurrency_key"), ("queued", "session")]
    assert refused["code"] == "session.busy"
    assert (await server.settled(run["id"]))["status"] == "interrupted"
    assert await stands(server, after) == [("queued", "session")]


async def test_who_waits_for_its_session_keeps_no_key_from_others(server: Server) -> None:
    first = await start(server, workflow="asking")
    waits = await start(server, workflow="asking", on_busy="enqueue", concurrency_key="k")
    stranger = await asked(server, concurrency_key="k")

    await resumed(server, first)

    assert (await server.settled(stranger["id"]))["status"] == "interrupted"
    assert await stands(server, waits) == [("queued", "concurrency_key")]
    await resumed(server, stranger)
    assert (await server.settled(waits["id"]))["status"] == "interrupted"


async def test_runs_of_sessions_count_among_those_that_run_at_once(tmp_path: Path) -> None:
    async with a_server(tmp_path, max_runs=1) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        running = await asked(server, "working")
        queued = [
            await start(server, "s", "working"), await asked(server, "working"), await start(server, "t", "working"),
            await start(server, "s", "working", on_busy="enqueue"),
        ]  # fmt: skip
        order = []
        for _ in range(5):
            order.append(await one_running(server))
            await server.post(f"/runs/{order[-1]}/cancel")

    assert [run["reason"] for run in queued] == ["max_runs", "max_runs", "max_runs", "session"]
    assert order == [run["id"] for run in (running, *queued)]


async def test_a_higher_priority_goes_first_in_a_session(server: Server) -> None:
    first = await start(server, workflow="asking")
    runs = [await start(server, workflow="asking", on_busy="enqueue", priority=priority) for priority in (0, 5)]

    await resumed(server, first)

    assert (await server.settled(runs[1]["id"]))["status"] == "interrupted"
    assert await stands(server, runs[0]) == [("queued", "session")]


async def test_a_run_with_the_key_of_the_one_that_it_interrupts_begins(server: Server) -> None:
    first = await start(server, workflow="asking", concurrency_key="k")
    await server.settled(first["id"])
    stranger = await asked(server, concurrency_key="k")

    run = await start(server, workflow="asking", on_busy="interrupt", concurrency_key="k")

    assert (await server.settled(run["id"]))["status"] == "interrupted"
    for one in (run, first):
        assert await stands(server, stranger) == [("queued", "concurrency_key")]
        await resumed(server, one)
    assert (await server.settled(stranger["id"]))["status"] == "interrupted"


async def test_a_run_that_cancels_another_one_may_have_to_wait_for_a_key(server: Server) -> None:
    first, stranger = await start(server, workflow="asking"), await asked(server, concurrency_key="k")

    run = await start(server, workflow="asking", on_busy="cancel", concurrency_key="k")

    assert await stands(server, first, run) == [("cancelled", None), ("queued", "concurrency_key")]
    await resumed(server, stranger)
    assert (await server.settled(run["id"]))["status"] == "interrupted"


# ---- times


async def test_a_session_does_not_wait_for_a_run_whose_time_has_not_come(server: Server) -> None:
    soon = at(server.wired.engine.clock() + 300)
    late = await start(server, start_at=soon, input={"n": 10})
    now = await server.settled((await start(server, input={"n": 1}))["id"])

    assert (late["status"], late["reason"]) == ("queued", "start_at")
    assert (now["status"], now["state"]) == ("completed", {"n": 2})
    found = await server.settled(late["id"])
    assert (found["status"], found["state"]) == ("completed", {"n": 13})


async def test_a_run_whose_time_comes_does_what_was_asked_for_a_busy_session(server: Server) -> None:
    await start(server, workflow="asking")
    soon = at(server.wired.engine.clock() + 300)
    ways = ("reject", "enqueue", "cancel", "interrupt")
    for way in ways[1:]:
        await start(server, way, "asking")
    late = {way: await start(server, "s" if way == "reject" else way, start_at=soon, on_busy=way) for way in ways}

    refused, *begun = [await server.settled(late[way]["id"]) for way in ways if way != "enqueue"]

    assert (refused["status"], refused["error"]["code"]) == ("failed", "session.busy")
    assert [run["status"] for run in begun] == ["completed"] * 2
    assert await stands(server, late["enqueue"]) == [("queued", "session")]


async def test_times_and_keys_of_sessions_are_there_after_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in DOCUMENTS:
            await server.post("/workflows", document, 201)
        stranger = await asked(server, concurrency_key="k")
        run = await start(server, workflow="asking", concurrency_key="k")
        after = await start(server, workflow="asking", on_busy="enqueue")
        late = await start(server, "t", start_at=at(server.wired.engine.clock() + 300))
    async with a_server(tmp_path) as server:
        assert await stands(server, run, after) == [("queued", "concurrency_key"), ("queued", "session")]
        await resumed(server, stranger)
        await resumed(server, run)
        assert (await server.settled(after["id"]))["status"] == "interrupted"
        assert (await server.settled(late["id"]))["status"] == "completed"
