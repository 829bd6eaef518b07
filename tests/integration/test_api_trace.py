"""The trace of a run: its tasks in time, with what caused them, what they waited for, and what came of joins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.moving import (
    GIVES,
    answered,
    at_a_breakpoint,
    begun,
    documents_at,
    employed,
    forked_from_a_fork,
    that_a_worker_has_accepted,
    that_failed_and_was_retried,
    that_nobody_serves,
    with_branches,
    with_graphs_in_it,
    with_loops_and_sends,
)
from tests.integration.moving import (
    told as told_of,
)
from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, http_worker

CHOOSES: dict[str, Any] = {
    "id": "chooses",
    "state_schema": {"n": {"type": "integer", "default": 0}},
    "nodes": {
        "which": {"type": "route", "rules": [{"when": "state.n > 0", "to": ["a", "b"]}], "default": "a"},
        "a": {"type": "transform", "updates": {}},
        "b": {"type": "transform", "updates": {}},
        "c": {"type": "task", "worker_tags": ["w"], "prompt_template": "x"},
        "end": {"type": "transform", "updates": {}},
    },
    "edges": [
        ["__start__", "which"], ["which:a", "a"], ["which:b", "b"], ["__start__", "c"], ["a", "end"], ["b", "end"],
        ["c", "end"], ["end", "__end__"],
    ],
}  # fmt: skip


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with a_server(tmp_path) as found:
        await documents_at(found)
        await found.post("/workflows", CHOOSES, 201)
        yield found


@pytest.fixture
async def worker() -> AsyncIterator[HttpWorker]:
    async with http_worker() as found:
        yield found


async def traced(server: Server, run_id: str, query: str = "") -> Any:
    return await server.get(f"/runs/{run_id}/trace{query}")


async def test_every_task_is_told_with_its_times_and_causes(server: Server, worker: HttpWorker) -> None:
    run = await with_loops_and_sends(server, worker)
    told = await traced(server, run, "?limit=1000")
    tasks = (await server.get(f"/runs/{run}/tasks?limit=1000"))["items"]
    times = ("id", "status", "created_at", "started_at", "finished_at", "attempt", "worker_id")
    assert [{name: item[name] for name in times} for item in told["items"]] == [
        {name: task[name] for name in times} for task in reversed(tasks)
    ]
    points = {item["id"]: item for item in (await server.get(f"/runs/{run}/checkpoints?limit=1000"))["items"]}
    for item in told["items"]:
        assert points[item["checkpoint_id"]]["task_id"] == item["id"]
        assert {cause["checkpoint_id"] for cause in item["causes"]} <= points.keys()
    assert (told["status"], told["next_cursor"], told["joins"]) == ("completed", None, [])
    items = [item for item in told["items"] if item["node"] == "work" and item["rounds"] == [0]]
    (send,) = [item for item in told["items"] if item["address"] == "each"]
    assert {item["send_id"] for item in items} == {send["id"]}


async def test_a_join_tells_what_came_and_what_did_not(server: Server, worker: HttpWorker) -> None:
    await employed(server, worker, GIVES)
    for n, sources in ((0, ["a", "c"]), (1, ["a", "b", "c"])):
        told = await traced(server, await begun(server, "chooses", input={"n": n}))
        (end,) = [item for item in told["items"] if item["node"] == "end"]
        join = end["join"]
        assert (join["mode"], join["needed"], join["waited_ms"] >= 0) == ("all", None, True)
        assert sorted(edge["from"] for edge in join["arrived"]) == sources
        assert [edge["from"] for edge in join["missing"]] == [name for name in ("a", "b", "c") if name not in sources]
        by_source = {cause["address"]: cause["checkpoint_id"] for cause in end["causes"]}
        assert {edge["from"]: edge["checkpoint_id"] for edge in join["arrived"]} == by_source
        assert [item["join"] for item in told["items"] if item["node"] in ("a", "which")] == [None, None]
        assert [edge["from"] for item in told["items"] if item["node"] == "a" for edge in item["edges"]] == ["which:a"]


async def test_a_join_that_waits_is_told_with_the_last_page(server: Server) -> None:
    run = await begun(server, "chooses", 0)
    await told_of(server, run, "waiting")
    told = await traced(server, run)
    (join,) = told["joins"]
    assert (join["node"], [edge["from"] for edge in join["arrived"]]) == ("end", ["a"])
    assert [edge["from"] for edge in join["missing"]] == ["b", "c"]
    first = await traced(server, run, "?limit=1")
    assert (first["joins"], first["next_cursor"] is None) == ([], False)


async def test_attempts_and_waits_are_told(server: Server, worker: HttpWorker) -> None:
    run = await that_failed_and_was_retried(server, worker)
    failed, done, then = (await traced(server, run))["items"]
    assert [item["status"] for item in (failed, done, then)] == ["failed", "completed", "completed"]
    assert failed["id"] == done["id"]
    assert [one["outcome"] for one in failed["attempts"]] == ["failed", "failed"]
    assert [(one["attempt"], one["outcome"]) for one in done["attempts"]][-1] == (3, "completed")
    assert done["attempts"][0]["error"]["code"] == "boom"
    assert then["attempts"] == []


async def test_open_tasks_are_told_as_far_as_they_are(server: Server, worker: HttpWorker) -> None:
    run = await that_nobody_serves(server, worker)
    (open_task,) = (await traced(server, run))["items"]
    assert (open_task["status"], open_task["checkpoint_id"], open_task["finished_at"]) == ("waiting", None, None)
    assert [(wait["reason"], wait["until"]) for wait in open_task["waits"]] == [("no_worker", None)]


async def test_an_attempt_that_is_under_way_has_no_end(server: Server, worker: HttpWorker) -> None:
    (held,) = (await traced(server, await that_a_worker_has_accepted(server, worker)))["items"]
    (attempt,) = held["attempts"]
    assert (held["status"], attempt["worker_id"], attempt["finished_at"]) == ("running", "w1", None)
    assert attempt["accepted_at"] is not None


async def test_questions_and_breakpoints_are_told_with_their_tasks(server: Server, worker: HttpWorker) -> None:
    run = await answered(server, await begun(server, "asks"))
    (asked,) = [item for item in (await traced(server, run))["items"] if item["node"] == "ask"]
    assert [(one["kind"], one["status"]) for one in asked["interrupts"]] == [("node", "resolved")]
    held = await at_a_breakpoint(server, worker)
    assert (await traced(server, held))["items"] == []
    await answered(server, held, None)
    first = (await traced(server, held))["items"][0]
    assert [(one["kind"], one["status"]) for one in first["interrupts"]] == [("breakpoint", "resolved")]


async def test_tasks_in_graphs_are_told_with_where_they_are(server: Server, worker: HttpWorker) -> None:
    run = await with_graphs_in_it(server, worker)
    told = (await traced(server, run))["items"]
    inside = [item for item in told if item["ns"]]
    assert {item["node"] for item in inside} == {"in", "beside", "ask"}
    assert {item["ns"][0] for item in inside} == {"sub"}
    asked = [item for item in inside if item["node"] == "ask"]
    assert [[edge["from"] for edge in item["join"]["arrived"]] for item in asked] == [["in", "beside"]] * 2
    assert [[edge["from"] for edge in item["edges"]] for item in inside if item["node"] == "in"] == [["__start__"]] * 2
    assert [item["address"] for item in told if not item["ns"]] == ["sub", "then"]


async def test_branches_have_traces_of_their_own(server: Server, worker: HttpWorker) -> None:
    run = await with_branches(server, worker)
    told = {name: await traced(server, run, f"?branch={name}") for name in ("main", "branch-2", "branch-3")}
    nodes = {name: [item["address"] for item in found["items"]] for name, found in told.items()}
    assert nodes == {"main": ["one", "ask", "two"], "branch-2": ["one", "ask", "two"], "branch-3": ["two"]}
    assert await traced(server, run) == told["main"]
    await server.refused("GET", f"/runs/{run}/trace?branch=branch-9", 404)


async def test_a_fork_tells_its_own_tasks_with_causes_in_other_runs(server: Server, worker: HttpWorker) -> None:
    fork = await forked_from_a_fork(server, worker)
    told = await traced(server, fork)
    assert [item["address"] for item in told["items"]] == ["ask", "two"]
    causes = [cause["checkpoint_id"].rpartition(".")[0] for cause in told["items"][0]["causes"]]
    assert fork in causes and len(set(causes)) == 3


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_fit_together(server: Server, worker: HttpWorker, limit: int) -> None:
    run = await with_loops_and_sends(server, worker)
    whole = (await traced(server, run, "?limit=1000"))["items"]
    items: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await traced(server, run, f"?limit={limit}{cursor and f'&cursor={cursor}'}")
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = page["next_cursor"]
    assert items == whole


async def test_open_tasks_come_in_pages_too(server: Server, worker: HttpWorker) -> None:
    run = await begun(server, "rounds", 0, input={"items": list(range(7))})
    await told_of(server, run, "waiting")
    whole = (await traced(server, run))["items"]
    assert len(whole) == 10
    items: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await traced(server, run, f"?limit=3{cursor and f'&cursor={cursor}'}")
        items += page["items"]
        cursor = page["next_cursor"]
    assert [item["id"] for item in items] == [item["id"] for item in whole]


async def test_what_is_no_run_or_no_cursor_is_refused(server: Server, worker: HttpWorker) -> None:
    run = await begun(server, "straight")
    await server.refused("GET", "/runs/ghost/trace", 404)
    for cursor in ("x", "1.2.3", "-1", "1.", "9" * 20):
        problem = await server.refused("GET", f"/runs/{run}/trace?cursor={cursor}", 422)
        assert problem["code"] == "cursor.invalid"
    assert (await traced(server, run, "?cursor=999.0"))["items"] == []
