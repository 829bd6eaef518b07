"""Runs take turns: one at a time with a key, so many at once, by priority, and not before their time."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import exported, imported
from tests.integration.test_api_jobs import over
from tests.unit.api.serving import Server, a_server, asking, straight
from tests.unit.api.serving import working as a_working

DOCUMENTS = (asking(), straight(), a_working())


async def asked(server: Server, workflow: str = "asking", **fields: Any) -> dict[str, Any]:
    """A run that waits for a number once it has begun."""
    return dict(await server.post(f"/workflows/{workflow}/runs", fields, 201))


def queued(*runs: dict[str, Any]) -> list[bool]:
    """Which of them wait, by what their starts were answered."""
    return [run["status"] == "queued" for run in runs]


async def standing(server: Server, *runs: dict[str, Any]) -> list[tuple[str, str | None]]:
    """How runs stand, once all that was asked is done."""
    found = [await server.get(f"/runs/{run['id']}") for run in runs]
    return [(run["status"], run["reason"]) for run in found]


async def ended(server: Server, run: dict[str, Any]) -> None:
    """Answer the question of a run, which ends with that."""
    await server.settled(run["id"])
    await server.post(f"/runs/{run['id']}/resume", {"resume": 1})
    await server.settled(run["id"])


def at(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


async def test_one_run_at_a_time_has_a_key_and_the_others_follow(server: Server) -> None:
    runs = [await asked(server, concurrency_key="k") for _ in range(3)]
    assert queued(*runs) == [False, True, True]
    assert (runs[1]["reason"], runs[1]["concurrency_key"]) == ("concurrency_key", "k")
    assert queued(await asked(server, concurrency_key="l")) == [False]
    await ended(server, runs[0])
    await server.settled(runs[1]["id"])
    assert await standing(server, *runs) == [
        ("completed", None), ("interrupted", None), ("queued", "concurrency_key"),
    ]  # fmt: skip
    await server.post(f"/runs/{runs[1]['id']}/cancel")
    await ended(server, runs[2])
    assert await standing(server, *runs) == [("completed", None), ("cancelled", None), ("completed", None)]


async def test_keys_are_held_and_waited_for_over_restarts(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", asking(), 201)
        runs = [await asked(first, concurrency_key="k", priority=number) for number in range(3)]
        await first.settled(runs[0]["id"])
    async with a_server(tmp_path) as second:
        late = await asked(second, concurrency_key="k")
        assert queued(late) == [True]
        for run in (runs[0], runs[2], runs[1], late):
            await second.settled(run["id"])
            waiting = (await second.get("/runs?status=interrupted"))["items"]
            assert [one["id"] for one in waiting] == [run["id"]]
            await ended(second, run)


async def test_a_key_that_was_given_back_while_nobody_served_is_taken(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", asking(), 201)
        runs = [await asked(first, concurrency_key="k") for _ in range(2)]
        await first.settled(runs[0]["id"])
        first.wired.engine.door.admission.close(True)
        await first.post(f"/runs/{runs[0]['id']}/cancel")
        assert await standing(first, *runs) == [("cancelled", None), ("queued", "concurrency_key")]
    async with a_server(tmp_path) as second:
        assert (await second.settled(runs[1]["id"]))["status"] == "interrupted"


async def test_so_many_run_at_once_and_higher_priority_goes_first(tmp_path: Path) -> None:
    async with a_server(tmp_path, max_runs=1) as server:
        await server.post("/workflows", a_working(), 201)
        runs = [await asked(server, "working", priority=priority) for priority in (0, 0, 7)]
        assert [(run["status"], run["reason"]) for run in runs] == [
            ("running", None), ("queued", "max_runs"), ("queued", "max_runs"),
        ]  # fmt: skip
        assert runs[2]["priority"] == 7
        await server.post(f"/runs/{runs[0]['id']}/cancel")
        order = []
        for _ in range(2):
            running = await one_running(server)
            order.append(running)
            await server.post(f"/runs/{running}/cancel")
        assert order == [runs[2]["id"], runs[1]["id"]]
        assert (await server.get("/admin/info"))["limits"]["max_runs"] == 1


async def one_running(server: Server) -> str:
    """The run that is running, once one is."""
    while not (found := (await server.get("/runs?status=running"))["items"]):
        await server.wired.engine.loop.idle()
    (run,) = found
    return str(run["id"])


async def test_a_run_that_waits_for_somebody_leaves_room(tmp_path: Path) -> None:
    async with a_server(tmp_path, max_runs=1) as server:
        await server.post("/workflows", asking(), 201)
        runs = [await asked(server) for _ in range(3)]
        for run in runs:
            assert (await server.settled(run["id"]))["status"] == "interrupted"


async def test_a_run_begins_when_its_time_has_come(server: Server) -> None:
    now = server.wired.engine.clock()
    past = await asked(server, "straight", start_at=at(now - 5000))
    assert past["status"] != "queued"
    soon = at(server.wired.engine.clock() + 300)
    run = await asked(server, "straight", start_at=soon)
    assert (run["status"], run["reason"]) == ("queued", "start_at")
    assert run["start_at"][:19] == soon[:19]
    found = await server.settled(run["id"])
    assert (found["status"], found["reason"]) == ("completed", None)
    first = (await server.get(f"/runs/{run['id']}/checkpoints"))["items"][-1]
    assert first["created_at"] >= run["start_at"]


async def test_a_time_outlives_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", straight(), 201)
        now = first.wired.engine.clock()
        soon, never = [await asked(first, "straight", start_at=at(now + ms)) for ms in (400, 90_000_000)]
        assert [run["reason"] for run in (soon, never)] == ["start_at", "start_at"]
    async with a_server(tmp_path) as second:
        assert (await second.settled(soon["id"]))["status"] == "completed"
        assert await standing(second, never) == [("queued", "start_at")]
        await second.post(f"/runs/{never['id']}/cancel")


async def test_a_run_whose_time_has_come_waits_for_its_key(server: Server) -> None:
    soon = at(server.wired.engine.clock() + 200)
    early = await asked(server, start_at=soon, concurrency_key="k")
    first = await asked(server, concurrency_key="k")
    assert [run["reason"] for run in (early, first)] == ["start_at", None]
    stream = server.wired.streams.stream(early["id"], modes=frozenset(), after=None, from_now=True, until=None)
    (told,) = await anext(stream)
    assert (told.data["status"], told.data["reason"]) == ("queued", "concurrency_key")
    assert await standing(server, early) == [("queued", "concurrency_key")]
    await ended(server, first)
    assert (await server.settled(early["id"]))["status"] == "interrupted"


async def test_a_run_does_not_go_on_again_beside_another_one_with_its_key(server: Server) -> None:
    first = await asked(server, concurrency_key="k")
    await ended(server, first)
    checkpoint = (await server.get(f"/runs/{first['id']}/checkpoints"))["items"][-1]["id"]
    second = await asked(server, concurrency_key="k")
    again = {"checkpoint_id": checkpoint}
    problem = await server.refused("POST", f"/runs/{first['id']}/replay", 409, json=again)
    assert problem["code"] == "run.key_taken"
    await ended(server, second)
    await server.post(f"/runs/{first['id']}/replay", again)
    assert (await server.settled(first["id"]))["status"] == "interrupted"
    assert queued(await asked(server, concurrency_key="k")) == [True]


async def test_a_fork_takes_over_priority_and_no_key(server: Server) -> None:
    first = await asked(server, concurrency_key="k", priority=3)
    await server.settled(first["id"])
    checkpoint = (await server.get(f"/runs/{first['id']}/checkpoints"))["items"][-1]["id"]
    fork = await server.post("/runs/fork", {"checkpoint_id": checkpoint}, 201)
    fork = await server.settled(fork["id"])
    assert (fork["status"], fork["priority"], fork["concurrency_key"]) == ("interrupted", 3, None)


async def test_nothing_begins_while_the_server_is_emptied(server: Server) -> None:
    runs = [await asked(server, concurrency_key="k") for _ in range(2)]
    await server.settled(runs[0]["id"])
    await server.post("/admin/drain", {"draining": True})
    await server.post(f"/runs/{runs[0]['id']}/cancel")
    assert server.wired.engine.door.waiting == 1
    assert await standing(server, runs[1]) == [("queued", "concurrency_key")]
    await server.post("/admin/drain", {"draining": False})
    assert (await server.settled(runs[1]["id"]))["status"] == "interrupted"


async def test_the_key_of_an_idempotent_start_is_asked_once(server: Server) -> None:
    await asked(server, concurrency_key="k")
    options = {"headers": {"Idempotency-Key": "once"}}
    both = [
        await server.post("/workflows/asking/runs", {"concurrency_key": "k"}, 201, **options) for _ in range(2)
    ]  # fmt: skip
    assert both[0]["id"] == both[1]["id"]
    assert len((await server.get("/runs?status=queued"))["items"]) == 1


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"priority": 1.5}, "/priority"),
        ({"priority": 1001}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"concurrency_key": ""}, "/concurrency_key"),
        ({"concurrency_key": 3}, "/concurrency_key"),
        ({"start_at": "tomorrow"}, "/start_at"),
        ({"start_at": "2030-02-30T00:00:00Z"}, "/start_at"),
        ({"start_at": 3}, "/start_at"),
    ],
)
async def test_what_says_no_place_is_refused(server: Server, body: dict[str, Any], path: str) -> None:
    problem = await server.refused("POST", "/workflows/asking/runs", 422, json=body)
    assert [fault["path"] for fault in problem["errors"]] == [path]


async def test_what_waits_and_what_began_is_counted(server: Server) -> None:
    for _ in range(2):
        await asked(server, concurrency_key="k")
    text = (await server.http.get("/metrics")).text
    assert "clew_runs_queued 1.0" in text
    assert "clew_runs_started_total 1.0" in text


async def test_input_that_does_not_fit_leaves_the_key_alone(server: Server) -> None:
    await server.refused("POST", "/workflows/asking/runs", 422, json={"concurrency_key": "k", "input": {"no": 1}})
    assert queued(await asked(server, concurrency_key="k")) == [False]


async def test_a_run_that_came_in_from_a_file_goes_on_when_its_key_is_free(tmp_path: Path) -> None:
    async with a_server(tmp_path / "here") as here:
        await here.post("/workflows", asking(), 201)
        moved = await asked(here, concurrency_key="k", priority=4)
        await here.settled(moved["id"])
        text = await exported(here, moved["id"])
    async with a_server(tmp_path / "there") as there:
        await there.post("/workflows", asking(), 201)
        first = await asked(there, concurrency_key="k")
        await there.settled(first["id"])
        await imported(there, text)
        found = await there.get(f"/runs/{moved['id']}")
        assert (found["hold"], found["priority"], found["concurrency_key"]) == ("imported", 4, "k")
        problem = await there.refused("POST", f"/runs/{moved['id']}/release", 409, json={})
        assert problem["code"] == "run.key_taken"
        await ended(there, first)
        await there.post(f"/runs/{moved['id']}/release", {})
        assert queued(await asked(there, concurrency_key="k")) == [True]


async def test_a_run_that_was_cancelled_in_line_is_told_to_who_wanted_to_know(server: Server) -> None:
    await asked(server, concurrency_key="k")
    second = await asked(server, concurrency_key="k", webhook="http://127.0.0.1:9/told")
    await server.post(f"/runs/{second['id']}/cancel")
    (notice,) = (await server.get("/notices"))["items"]
    assert (notice["run_id"], notice["type"]) == (second["id"], "run.cancelled")


async def test_jobs_cancel_runs_that_are_queued(server: Server) -> None:
    runs = [await asked(server, concurrency_key="k") for _ in range(3)]
    await over(server, await server.post("/runs/bulk", {"action": "cancel", "filter": {"status": ["queued"]}}, 202))
    assert await standing(server, *runs[1:]) == [("cancelled", None)] * 2
