"""Workers that ask for their tasks: leases, heartbeats, what lapses, and what outlasts a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from api.schemas_workers import AskedLease
from tests.integration.pulling import Asked, P, answered, beats, begun, held, leased, path_of, until, waits
from tests.unit.api.serving import Server, a_server, working

DOCUMENTS = (working(),)
SHORT_MS = 150
"""A lease that lapses soon."""


async def test_a_task_is_leased_and_answered(server: Server) -> None:
    run_id = await begun(server)
    (item,) = await leased(server)
    assert item["task"]["run_id"] == run_id
    assert item["message_id"] == item["task"]["task_id"]
    assert item["reply_to"] == item["task"]["reply_to"]
    assert item["lease"]["heartbeat_ms"] == 10_000
    task = await until(server, run_id, held)
    assert task["worker_id"] == "pull [w]"
    await answered(server, item, {"output": 7})
    assert (await server.settled(run_id))["state"]["out"] == 7


async def test_who_waits_gets_a_task_when_there_is_one(server: Server) -> None:
    asked = Asked(server)
    waiting = asyncio.ensure_future(leased(server))
    await asked.until(lambda: asked.count == 1)
    run_id = await begun(server)
    assert [item["task"]["run_id"] for item in await waiting] == [run_id]


async def test_who_hangs_up_while_it_waits_gets_nothing(server: Server) -> None:
    asked, gone = Asked(server), asyncio.Event()

    async def left() -> None:
        await gone.wait()

    waiting = asyncio.ensure_future(server.wired.leases.lease(AskedLease(tags=["w"], wait_ms=10_000), left))
    await asked.until(lambda: asked.count == 1)
    gone.set()
    with pytest.raises(ClientDisconnect):
        await waiting
    await begun(server)
    (item,) = await leased(server)
    assert item["task"]["attempt"] == 1


async def test_where_there_is_nothing_to_do_nothing_comes(server: Server) -> None:
    assert await server.post("/tasks/lease", {"tags": ["w"]}) == {"items": []}
    assert await server.post("/tasks/lease", {"tags": ["w"], "wait_ms": 1}) == {"items": []}


async def test_only_what_the_tags_allow_comes(server: Server) -> None:
    await begun(server)
    assert await server.post("/tasks/lease", {"tags": ["other"]}) == {"items": []}
    assert len(await leased(server, tags=["w", "other"])) == 1


async def test_several_come_at_once_and_none_twice(server: Server) -> None:
    runs = [await begun(server) for _ in range(5)]
    first = (await server.post("/tasks/lease", {"tags": ["w"], "max": 3}))["items"]
    rest = (await server.post("/tasks/lease", {"tags": ["w"], "max": 100}))["items"]
    assert [item["task"]["run_id"] for item in (*first, *rest)] == runs
    assert (len(first), len(rest)) == (3, 2)


async def test_a_registered_worker_has_no_more_than_it_says(server: Server) -> None:
    await server.post("/workers", {**P, "max_concurrent": 2}, 201)
    runs = [await begun(server) for _ in range(3)]
    first = await leased(server, 2, worker_id="p1")
    more = {"worker_id": "p1", "max": 5}
    assert await server.post("/tasks/lease", more) == {"items": []}
    await answered(server, first[0], {"output": 1})
    await server.settled(runs[0])
    assert [item["task"]["run_id"] for item in await leased(server, 1, worker_id="p1")] == [runs[2]]


async def test_what_only_a_pull_worker_can_take_waits_visibly(server: Server) -> None:
    await server.post("/workers", P, 201)
    run_id = await begun(server)
    assert (await until(server, run_id, waits))["reason"] == "not_asked"


async def test_a_pull_worker_needs_no_address_and_may_have_none(server: Server) -> None:
    await server.refused("POST", "/workers", 422, json={**P, "url": "http://x"})
    assert (await server.post("/workers", P, 201))["url"] is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"worker_id": "nobody"}, 404, "not_found"),
        ({"max": 0}, 422, "request.invalid"),
        ({"max": 101}, 422, "request.invalid"),
        ({"wait_ms": 60_001}, 422, "request.invalid"),
        ({"wait": 60.1}, 422, "request.invalid"),
        ({"wait": -1}, 422, "request.invalid"),
        ({"wait": True}, 422, "request.invalid"),
        ({"wait": "1"}, 422, "request.invalid"),
        ({"lease_ms": 0}, 422, "request.invalid"),
        ({"tag": ["w"]}, 422, "request.invalid"),
    ],
)
async def test_what_cannot_be_leased_is_refused(server: Server, body: Any, status: int, code: str) -> None:
    assert (await server.refused("POST", "/tasks/lease", status, json=body))["code"] == code


async def test_who_says_twice_how_long_it_waits_is_told_to_say_it_once(server: Server) -> None:
    refused = await server.refused("POST", "/tasks/lease", 422, json={"wait": 0, "wait_ms": 0})
    assert [fault["message"] for fault in refused["errors"]] == ["give `wait` or `wait_ms`, not both"]


@pytest.mark.parametrize("wait", [10, 10.5])
async def test_who_waits_may_say_how_long_in_seconds(server: Server, wait: float) -> None:
    asked = Asked(server)
    waiting = asyncio.ensure_future(server.post("/tasks/lease", {"tags": ["w"], "max": 1, "wait": wait}))
    await asked.until(lambda: asked.count == 1)
    run_id = await begun(server)
    assert [item["task"]["run_id"] for item in (await waiting)["items"]] == [run_id]


@pytest.mark.parametrize("wait", [0, 0.0, 0.001, None])
async def test_where_there_is_nothing_to_do_within_those_seconds_nothing_comes(server: Server, wait: Any) -> None:
    assert await server.post("/tasks/lease", {"tags": ["w"], "wait": wait}) == {"items": []}


async def test_a_worker_that_is_reached_otherwise_cannot_ask(server: Server) -> None:
    await server.post("/workers", {**P, "protocol": "webhook", "url": "http://127.0.0.1:9"}, 201)
    refused = await server.refused("POST", "/tasks/lease", 422, json={"worker_id": "p1"})
    assert refused["code"] == "worker.protocol"


async def test_leasing_takes_the_servers_token(tmp_path: Path) -> None:
    async with a_server(tmp_path, token="s") as server:
        await server.refused("POST", "/tasks/lease", 401, json={})
        assert await server.post("/tasks/lease", {}, headers={"Authorization": "Bearer s"}) == {"items": []}


async def test_a_lease_that_lapses_goes_to_the_next_and_does_not_count(server: Server) -> None:
    run_id = await begun(server)
    (first,) = await leased(server, lease_ms=SHORT_MS)
    (second,) = await leased(server)
    assert (first["task"]["attempt"], second["task"]["attempt"]) == (1, 2)
    assert first["message_id"] == second["message_id"]
    await answered(server, second, {"output": 2})
    assert (await server.settled(run_id))["state"]["out"] == 2


async def test_an_answer_after_its_lease_counts_where_it_is_the_first(server: Server) -> None:
    run_id = await begun(server)
    (first,) = await leased(server, lease_ms=SHORT_MS)
    (second,) = await leased(server)
    await answered(server, first, {"output": 1})
    assert (await server.settled(run_id))["state"]["out"] == 1
    late = await server.refused("POST", path_of(second["reply_to"]), 409, json={"output": 2})
    assert late["code"] == "task.late"
    await server.refused("POST", path_of(first["reply_to"]), 409, json={"output": 1})


async def test_a_task_that_ends_its_workers_comes_to_an_end(server: Server) -> None:
    run_id = await begun(server)
    attempts = [(await leased(server, lease_ms=100))[0]["task"]["attempt"] for _ in range(4)]
    run = await server.settled(run_id)
    assert attempts == [1, 2, 3, 4]
    assert (run["status"], run["error"]["code"], run["error"]["attempt"]) == ("failed", "worker.lost", 4)


async def test_heartbeats_extend_a_lease(server: Server) -> None:
    run_id = await begun(server)
    (item,) = await leased(server, lease_ms=300)
    for _ in range(5):
        assert (await server.post("/tasks/lease", {"tags": ["w"], "wait_ms": 100}))["items"] == []
        assert (await beats(server, item))["wanted"] is True
    await answered(server, item, {"output": 1})
    assert (await server.settled(run_id))["status"] == "completed"


async def test_progress_extends_a_lease(server: Server) -> None:
    await begun(server)
    (item,) = await leased(server, lease_ms=300)
    for step in range(5):
        assert (await server.post("/tasks/lease", {"tags": ["w"], "wait_ms": 100}))["items"] == []
        await server.post(path_of(item["reply_to"]).replace("/result", "/progress"), {"progress": step / 5})


async def test_a_heartbeat_says_that_a_task_is_not_wanted(server: Server) -> None:
    run_id = await begun(server)
    (item,) = await leased(server)
    await server.post(f"/runs/{run_id}/cancel")
    assert await beats(server, item) == {"accepted": False, "wanted": False, "attempt": None, "deadline": None}


async def test_the_time_of_an_attempt_is_up_whatever_its_worker_says(server: Server) -> None:
    document = working("brief")
    document["nodes"]["job"]["timeout_ms"] = 200
    await server.post("/workflows", document, 201)
    run_id = await begun(server, "brief")
    (item,) = await leased(server)
    await beats(server, item)
    assert (await server.settled(run_id))["error"]["code"] == "timeout"


async def test_a_drained_server_ends_the_wait_and_gives_nothing(server: Server) -> None:
    asked = Asked(server)
    waiting = asyncio.ensure_future(server.http.post("/tasks/lease", json={"tags": ["w"], "wait_ms": 10_000}))
    await asked.until(lambda: asked.count == 1)
    await server.post("/admin/drain")
    assert (await waiting).status_code == 503
    refused = await server.refused("POST", "/tasks/lease", 503, json={})
    assert refused["code"] == "server.draining"


async def test_leases_outlast_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id = await begun(server)
        (item,) = await leased(server)
        before = await until(server, run_id, held)
    async with a_server(tmp_path) as server:
        after = await until(server, run_id, held)
        assert after["ack_deadline"] == before["ack_deadline"]
        assert await server.post("/tasks/lease", {"tags": ["w"]}) == {"items": []}
        assert (await beats(server, item))["wanted"] is True
        await answered(server, item, {"output": 3})
        assert (await server.settled(run_id))["state"]["out"] == 3


async def test_a_lease_lapses_after_a_restart_too(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id = await begun(server)
        await leased(server, lease_ms=500)
        await until(server, run_id, held)
    async with a_server(tmp_path) as server:
        (item,) = await leased(server)
        assert item["task"]["attempt"] == 2
        await answered(server, item, {"output": 1})
        assert (await server.settled(run_id))["status"] == "completed"


async def test_what_was_lost_before_a_restart_is_counted_after_it(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", working(), 201)
        run_id = await begun(server)
        before = [(await leased(server, lease_ms=SHORT_MS))[0]["task"]["attempt"] for _ in range(3)]
        await until(server, run_id, held)
    async with a_server(tmp_path) as server:
        after = (await leased(server, lease_ms=SHORT_MS))[0]["task"]["attempt"]
        run = await server.settled(run_id)
        assert (before, after) == ([1, 2, 3], 4)
        assert (run["status"], run["error"]["code"], run["error"]["attempt"]) == ("failed", "worker.lost", 4)
