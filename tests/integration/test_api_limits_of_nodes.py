"""Limits of nodes over REST: tasks wait for their turn with a reason, also after a restart, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, answer

KEYED = {"concurrency_key": "{{ state.who }}"}
W = {"id": "w", "protocol": "webhook", "tags": ["w"], "max_concurrent": 50}


def limited(**fields: Any) -> dict[str, Any]:
    """A workflow of one task with limits."""
    return {
        "id": "limited",
        "state_schema": {"who": {"type": "string", "default": "ann"}, "out": {}},
        "nodes": {"job": {"worker_tags": ["w"], "output_key": "out", **fields}},
        "edges": [["__start__", "job"], ["job", "__end__"]],
    }


async def at_work(server: Server, worker: HttpWorker, **fields: Any) -> None:
    """Have a workflow and a worker that accepts every task and answers when the test does."""
    worker.script = [answer({}, 202)] * 50
    await server.post("/workflows", limited(**fields), 201)
    await server.post("/workers", {**W, "url": worker.url}, 201)


async def started(server: Server, who: str = "ann", **fields: Any) -> str:
    run = await server.post("/workflows/limited/runs", {"input": {"who": who}, **fields}, 201)
    return str(run["id"])


async def task_of(server: Server, run_id: str) -> dict[str, Any]:
    """The task of a run, once it is said what it waits for, or that it does not."""
    while True:
        (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
        if task["status"] != "pending":
            return dict(task)
        await server.wired.engine.loop.idle()


async def seen(server: Server, worker: HttpWorker, *runs: str) -> list[str]:
    """The runs whose tasks the worker has got, in that order, once it has so many."""
    await worker.until(lambda: len(worker.seen) >= len(runs))
    await server.wired.engine.loop.idle()
    assert [found.body["run_id"] for found in worker.seen] == list(runs)
    return list(runs)


async def done(server: Server, worker: HttpWorker, run_id: str) -> None:
    """The worker answers the task of a run."""
    sent = next(found for found in worker.seen if found.body["run_id"] == run_id)
    path = sent.body["reply_to"].removeprefix("http://clew.test/v1")
    await server.post(path, {"output": "done"})
    assert (await server.settled(run_id))["status"] == "completed"


async def test_one_task_at_a_time_has_a_key_over_all_runs(server: Server, worker: HttpWorker) -> None:
    await at_work(server, worker, **KEYED)
    first, second = await started(server), await started(server)
    other, urgent = await started(server, "bob"), await started(server, priority=1)
    await seen(server, worker, first, other)
    waiting = await task_of(server, second)
    assert (waiting["status"], waiting["reason"], waiting["worker_id"]) == ("waiting", "concurrency_key", None)
    await done(server, worker, first)
    await seen(server, worker, first, other, urgent)
    await done(server, worker, urgent)
    await seen(server, worker, first, other, urgent, second)
    await done(server, worker, second)
    await done(server, worker, other)


async def test_so_many_tasks_of_a_node_are_with_workers_at_once(server: Server, worker: HttpWorker) -> None:
    await at_work(server, worker, max_concurrency=2)
    runs = [await started(server) for _ in range(4)]
    await seen(server, worker, *runs[:2])
    assert [(await task_of(server, run))["reason"] for run in runs] == [None, None, *["max_concurrency"] * 2]
    await server.post(f"/runs/{runs[2]}/cancel")
    await done(server, worker, runs[0])
    await seen(server, worker, runs[0], runs[1], runs[3])
    for run in (runs[1], runs[3]):
        await done(server, worker, run)


async def test_what_workers_hold_counts_after_a_restart(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path) as first:
        await at_work(first, worker, **KEYED)
        runs = [await started(first) for _ in range(3)]
        await seen(first, worker, runs[0])
        while (await task_of(first, runs[0]))["pending_ack"]:
            await first.wired.engine.loop.idle()
    async with a_server(tmp_path) as second:
        late = await started(second)
        assert second.wired.engine._opening is not None
        await second.wired.engine._opening
        assert [(await task_of(second, run))["reason"] for run in (*runs, late)] == [None, *["concurrency_key"] * 3]
        for run, follows in zip(runs, (runs[1], runs[2], late), strict=True):
            await done(second, worker, run)
            await worker.until(lambda follows=follows: worker.seen[-1].body["run_id"] == follows)
        await done(second, worker, late)
        await seen(second, worker, *runs, late)


async def test_so_many_tasks_are_with_workers_on_the_whole(tmp_path: Path, worker: HttpWorker) -> None:
    async with a_server(tmp_path, max_in_flight=1) as server:
        await at_work(server, worker)
        runs = [await started(server) for _ in range(2)]
        await seen(server, worker, runs[0])
        assert (await task_of(server, runs[1]))["reason"] == "max_in_flight"
        await done(server, worker, runs[0])
        await seen(server, worker, *runs)
        await done(server, worker, runs[1])


async def test_a_node_is_asked_no_more_often_than_its_rate_allows(server: Server, worker: HttpWorker) -> None:
    await at_work(server, worker, rate_limit={"limit": 1, "per_ms": 400})
    runs = [await started(server) for _ in range(2)]
    await worker.until(lambda: len(worker.seen) == 1)
    assert (await task_of(server, runs[1]))["reason"] == "node_rate_limit"
    await worker.until(lambda: len(worker.seen) == 2)


async def test_a_worker_that_says_how_often_it_may_be_asked_is_asked_no_more(
    server: Server, worker: HttpWorker
) -> None:
    await server.post("/workflows", limited(), 201)
    slow = {**W, "url": worker.url, "metadata": {"rate_limit": {"limit": 1, "per_ms": 400}}}
    await server.post("/workers", slow, 201)
    runs = [await started(server) for _ in range(2)]
    await worker.until(lambda: len(worker.seen) == 1)
    assert (await task_of(server, runs[1]))["reason"] == "rate_limit"
    assert (await server.settled(runs[1]))["status"] == "completed"


@pytest.mark.parametrize("rate", [3, {"limit": 1}, {"limit": 0, "per_ms": 5}])
async def test_a_rate_that_is_none_is_refused(server: Server, rate: Any) -> None:
    worker = {**W, "url": "http://127.0.0.1:9/w", "metadata": {"rate_limit": rate}}
    problem = await server.refused("POST", "/workers", 422, json=worker)
    assert [fault["path"] for fault in problem["errors"]] == ["/metadata/rate_limit"]
