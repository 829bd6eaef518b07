"""Runs whose workers are reached over Redis: what they see of answers, late ones, cuts and restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import orjson
import pytest

from tests.redis_worker import GROUP, RedisWorker, client_of, redis_working
from tests.servers import RedisServer, own_redis, started
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import PATIENCE_S, free_port

DOCUMENTS = (working(),)
W = {"id": "w1", "protocol": "redis_stream", "tags": ["w"], "max_concurrent": 4}


@pytest.fixture
async def worker(redis_server: RedisServer, server: Server) -> AsyncIterator[RedisWorker]:
    """A registered worker at a stream of its own."""
    async with redis_working(redis_server, token_hex(4)) as found:
        await server.post("/workers", {**W, "url": f"{redis_server.url}/{found.stream}"}, 201)
        yield found


async def begun(server: Server, worker: RedisWorker, **options: Any) -> tuple[str, Any]:
    """A run whose only task the worker holds: its id and the task."""
    worker.holding = True
    run = await server.post("/workflows/working/runs", options, 201)
    await worker.until(lambda: bool(worker.seen))
    return run["id"], worker.tasks()[0]


async def until(look: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """What is seen, once that holds; whoever is looked at says nothing by itself."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(found := await look()):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0)  # let the server go on: it answers without a wait
    return found


async def test_a_run_is_done_by_a_worker_at_a_stream(server, worker):
    worker.said = {"output": "hello", "usage": {"cost": 0.5}}
    run = await server.settled((await server.post("/workflows/working/runs", {}, 201))["id"])
    assert (run["status"], run["state"], run["usage"]["cost"]) == ("completed", {"out": "hello"}, 0.5)
    [task] = worker.tasks()
    [fields] = worker.seen
    assert (task["prompt"], task["attempt"]) == ("go", 1)
    assert (task["reply_to"], task["correlation_id"]) == (fields[b"reply_to"].decode(), fields[b"corr"].decode())
    assert task["trace"]["traceparent"] == fields[b"traceparent"].decode()


async def test_an_answer_that_comes_twice_counts_once(server, worker):
    run_id, task = await begun(server, worker)
    await worker.answer(0, {"output": "first"})
    await worker.answer(0, {"output": "second"})
    assert (await server.settled(run_id))["state"] == {"out": "first"}
    place = f"/runs/{run_id}/tasks/{task['task_id']}"
    shown = await until(lambda: server.get(place), lambda task: "late" in [one["kind"] for one in task["attempts"]])
    assert shown["output"] == "first"
    reply_to = worker.seen[0][b"reply_to"]
    await until(lambda: worker.redis.xlen(reply_to), lambda left: left == 0)


async def test_an_answer_under_a_forged_id_is_refused_and_stops_nobody(server, worker):
    run_id, task = await begun(server, worker)
    forged = {"corr": f"{task['task_id']}.{run_id}.forged", "body": '{"output": "forged"}'}
    await worker.redis.xadd(task["reply_to"], forged)
    await worker.answer(0, {"output": "true"})
    assert (await server.settled(run_id))["state"] == {"out": "true"}


async def test_heartbeats_and_progress_are_shown(server, worker):
    run_id, task = await begun(server, worker)
    place, told = f"/runs/{run_id}/tasks/{task['task_id']}", {"corr": task["correlation_id"]}
    await worker.redis.xadd(task["reply_to"], {**told, "kind": "heartbeat"})
    await until(lambda: server.get(place), lambda task: task["heard_at"] is not None)
    report = orjson.dumps({"kind": "progress", "stage": "read", "progress": 0.4})
    await worker.redis.xadd(task["reply_to"], {**told, "kind": "progress", "body": report})
    shown = await until(lambda: server.get(place), lambda task: task["progress"] is not None)
    assert shown["progress"] == {"stage": "read", "progress": 0.4, "message": None}


async def test_an_error_is_retried_and_a_time_out_too(server, worker):
    document = working("tried")
    document["nodes"]["job"] |= {"retry": {"max_attempts": 3, "initial_interval_ms": 1}, "timeout_ms": 100}
    await server.post("/workflows", document, 201)
    worker.holding = True
    run_id = (await server.post("/workflows/tried/runs", {}, 201))["id"]
    await worker.until(lambda: len(worker.seen) == 1)
    await worker.answer(0, {"error": {"code": "busy", "message": "not now"}})
    await worker.until(lambda: len(worker.seen) == 3)  # the second attempt was not answered in time
    assert [(task["attempt"], seen[b"attempt"]) for task, seen in zip(worker.tasks(), worker.seen, strict=True)] == [
        (1, b"1"), (2, b"2"), (3, b"3")
    ]  # fmt: skip
    assert len({seen[b"message_id"] for seen in worker.seen}) == 1
    await worker.answer(1, {"output": "the second, after its time"})
    assert (await server.settled(run_id))["state"] == {"out": "the second, after its time"}


async def test_a_cancel_is_told_beside_the_stream(server, worker):
    run_id, task = await begun(server, worker)
    await server.post(f"/runs/{run_id}/cancel")
    stream = f"{worker.stream}:cancel"
    [[_, told]] = await until(lambda: worker.redis.xrange(stream), bool)
    assert told == {b"task_id": task["task_id"].encode(), b"message_id": worker.seen[0][b"message_id"]}


async def test_what_a_dead_worker_held_another_takes_over(server, worker, redis_server):
    run_id, _ = await begun(server, worker)
    async with client_of(redis_server) as redis:
        _, [[entry_id, fields]], *_ = await redis.xautoclaim(worker.stream, GROUP, "other", 0)
        await redis.xadd(fields[b"reply_to"], {"corr": fields[b"corr"], "body": '{"output": "taken over"}'})
        await redis.xack(worker.stream, GROUP, entry_id)
    assert (await server.settled(run_id))["state"] == {"out": "taken over"}


async def test_the_token_is_never_shown(server, redis_server):
    await server.post("/workers", {**W, "url": f"{redis_server.url}/s", "token": "user:geheim"}, 201)
    assert "geheim" not in str(await server.get("/workers"))
    problem = await server.refused("POST", "/workers", 422, json={**W, "id": "w2", "url": "redis://u:geheim@h/s"})
    assert (problem["code"], "use `token`" in problem["detail"], "geheim" in str(problem)) == (
        "worker.invalid", True, False
    )  # fmt: skip


# ---- Redis goes and comes


@asynccontextmanager
async def a_run_at(server: Server, redis: RedisServer) -> AsyncIterator[tuple[str, RedisWorker]]:
    """A run whose task the worker holds, at a Redis of the test's own."""
    async with redis_working(redis, "tasks") as worker:
        await server.post("/workers", {**W, "url": f"{redis.url}/tasks"}, 201)
        run_id, _ = await begun(server, worker)
        yield run_id, worker


async def test_a_task_waits_until_redis_is_there(server, tmp_path):
    redis = RedisServer(tmp_path, free_port())
    await server.post("/workers", {**W, "url": f"{redis.url}/tasks"}, 201)
    run_id = (await server.post("/workflows/working/runs", {}, 201))["id"]
    await until(lambda: server.get(f"/runs/{run_id}"), lambda run: run["tasks"][0]["reason"] == "unreachable")
    with started(redis):
        async with redis_working(redis, "tasks"):
            assert (await server.settled(run_id))["state"] == {"out": "done"}


@pytest.mark.parametrize("end", [RedisServer.stop, RedisServer.kill], ids=["restart", "kill"])
async def test_nothing_is_lost_when_redis_restarts_in_the_middle(server, end):
    with own_redis() as redis:
        async with a_run_at(server, redis) as (run_id, worker):
            end(redis)
            worker.holding = False
            later = (await server.post("/workflows/working/runs", {}, 201))["id"]
            await until(lambda: server.get(f"/runs/{later}"), lambda run: run["tasks"][0]["reason"] == "unreachable")
            redis.start()
            async with client_of(redis) as again:
                _, [[_, fields]], *_ = await again.xautoclaim("tasks", GROUP, "other", 0)
                await again.xadd(fields[b"reply_to"], {"corr": fields[b"corr"], "body": '{"output": "still"}'})
            assert (await server.settled(run_id))["state"] == {"out": "still"}
            async with redis_working(redis, "tasks"):
                assert (await server.settled(later))["state"] == {"out": "done"}


async def test_a_redis_that_stands_still_for_a_while_costs_time_alone(server):
    with own_redis() as redis:
        async with a_run_at(server, redis) as (first, worker):
            redis.halt()
            second = (await server.post("/workflows/working/runs", {}, 201))["id"]
            await until(lambda: server.get(f"/runs/{second}"), lambda run: run["tasks"][0]["status"] == "running")
            redis.go_on()
            await worker.until(lambda: len(worker.seen) >= 2)
            for number in range(len(worker.seen)):
                await worker.answer(number)
            assert [(await server.settled(run_id))["status"] for run_id in (first, second)] == ["completed"] * 2


async def test_an_answer_that_came_while_the_server_was_away_is_taken(tmp_path: Path, redis_server: RedisServer):
    stream = token_hex(4)
    async with redis_working(redis_server, stream) as worker:
        async with a_server(tmp_path, grace_s=30) as server:  # it is noted that the task was added
            await server.post("/workflows", working(), 201)
            await server.post("/workers", {**W, "url": f"{redis_server.url}/{stream}"}, 201)
            run_id, _ = await begun(server, worker)
        await worker.answer(0, {"output": "meanwhile"})
        async with a_server(tmp_path) as server:
            assert (await server.settled(run_id))["state"] == {"out": "meanwhile"}
        assert len(worker.seen) == 1
