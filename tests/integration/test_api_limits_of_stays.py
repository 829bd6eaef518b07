"""Limits over REST of what goes on by itself: places that are had over runs and restarts, and what people see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.serving import Server, a_server
from tests.unit.dispatch.builders import HttpWorker, answer

STATE = {"who": {"type": "string", "default": "ann"}, "out": {}}
ASK = {"type": "interrupt", "message": "Refund {{ state.who }}?", "output_key": "out"}
KEYED = {"concurrency_key": "{{ state.who }}"}
W = {"id": "w", "protocol": "webhook", "tags": ["w"], "max_concurrent": 50}
GRAPH = {
    "type": "subgraph",
    "input_mapping": {"who": "state.who"},
    "definition": {"state_schema": STATE, "nodes": {"x": ASK}, "edges": [["__start__", "x"], ["x", "__end__"]]},
}


def limited(node: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A workflow of one node with limits."""
    edges = [["__start__", "job"], ["job", "__end__"]]
    return {"id": "limited", "state_schema": STATE, "nodes": {"job": {**node, **fields}}, "edges": edges}


async def started(server: Server, who: str = "ann", **fields: Any) -> str:
    run = await server.post("/workflows/limited/runs", {"input": {"who": who}, **fields}, 201)
    await server.wired.engine.loop.idle()
    return str(run["id"])


async def stands(server: Server, run: str, node: str = "job") -> tuple[str, str | None, str | None]:
    """How a run stands, and the task of a node of it, once that was begun or found out why not."""
    while True:
        found = await server.get(f"/runs/{run}")
        task = next(one for one in found["tasks"] if one["node"] == node)
        if task["status"] not in ("pending", "running") or node != "job" or found["status"] != "running":
            return found["status"], task["status"], task["reason"]
        await server.wired.engine.loop.idle()


async def inbox(server: Server) -> list[str]:
    """The runs whose questions are open, oldest first."""
    return [found["run_id"] for found in (await server.get("/interrupts", params={"status": "open"}))["items"]][::-1]


async def answered(server: Server, run: str) -> None:
    await server.post(f"/runs/{run}/resume", {"resume": "yes"})
    assert (await server.settled(run))["status"] == "completed"
    await server.wired.engine.loop.idle()


async def asked(server: Server, *runs: str) -> None:
    """Wait until the questions of these runs are open, and no others."""
    while await inbox(server) != list(runs):
        await server.wired.engine.loop.idle()


WAITS = ("running", "waiting", "concurrency_key")


async def test_one_question_at_a_time_is_open_over_all_runs(server: Server) -> None:
    await server.post("/workflows", limited(ASK, **KEYED), 201)
    first, second = await started(server), await started(server)
    other, urgent = await started(server, "bob"), await started(server, priority=1)

    assert [await stands(server, run) for run in (second, urgent)] == [WAITS, WAITS]
    (traced,) = (await server.get(f"/runs/{second}/trace"))["items"]
    assert (traced["node"], traced["status"]) == ("job", "waiting")
    assert (await stands(server, first), await inbox(server)) == (("interrupted", "interrupted", None), [first, other])
    await answered(server, first)
    await asked(server, other, urgent)
    await answered(server, urgent)
    assert (await stands(server, second))[0] == "interrupted"
    for run in (other, second):
        await answered(server, run)


@pytest.mark.parametrize("node", [ASK, GRAPH], ids=["interrupt", "subgraph"])
async def test_places_are_had_over_a_restart_also_by_runs_that_rest(tmp_path: Path, node: dict[str, Any]) -> None:
    async with a_server(tmp_path) as first:
        await first.post("/workflows", limited(node, max_concurrency=1), 201)
        runs = [await started(first) for _ in range(2)]
        assert await stands(first, runs[1]) == ("running", "waiting", "max_concurrency")
    async with a_server(tmp_path) as second:
        late = await started(second)
        assert second.wired.engine._opening is not None
        await second.wired.engine._opening
        for run in (runs[1], late):
            assert await stands(second, run) == ("running", "waiting", "max_concurrency")
        assert await inbox(second) == [runs[0]]
        for run, then in zip((*runs, late), (runs[1], late, None), strict=True):
            await answered(second, run)
            if then is not None:
                await asked(second, then)


async def test_a_run_that_waits_for_its_own_question_is_interrupted(server: Server) -> None:
    nodes = {"a": {**ASK, **KEYED}, "b": {**ASK, **KEYED}}
    edges = [["__start__", "a"], ["__start__", "b"], ["a", "__end__"], ["b", "__end__"]]
    await server.post("/workflows", {"id": "limited", "state_schema": STATE, "nodes": nodes, "edges": edges}, 201)
    run = await server.post("/workflows/limited/runs?wait=20", {"input": {}}, 201)
    assert (run["status"], [found["node"] for found in run["interrupts"]]) == ("interrupted", ["a"])

    again = await server.post(f"/runs/{run['id']}/resume", {"resume": "one"})
    assert again["id"] == run["id"]
    await asked(server, run["id"])
    await answered(server, run["id"])


async def test_a_run_that_is_cancelled_gives_its_place_to_the_next(server: Server) -> None:
    await server.post("/workflows", limited(GRAPH, **KEYED), 201)
    first, second, third = [await started(server) for _ in range(3)]
    await server.post(f"/runs/{second}/cancel")
    await server.post(f"/runs/{first}/cancel")
    await server.wired.engine.loop.idle()

    await asked(server, third)


async def test_a_replay_takes_its_turn_behind_those_who_wait(server: Server) -> None:
    await server.post("/workflows", limited(ASK, **KEYED), 201)
    first, second = [await started(server) for _ in range(2)]
    await server.post(f"/runs/{first}/replay", {"checkpoint_id": f"{first}.1"})

    assert await stands(server, first) == WAITS
    assert await inbox(server) == [second]
    await answered(server, second)
    await asked(server, first)
    await answered(server, first)


async def test_a_failed_run_keeps_nobody_out_and_asks_anew_on_a_retry(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({"error": {"code": "boom", "message": "no", "retryable": False}}), answer({"output": 1})]
    nodes = {"job": {**ASK, **KEYED}, "do": {"worker_tags": ["w"]}}
    edges = [["__start__", "job"], ["__start__", "do"], ["job", "__end__"], ["do", "__end__"]]
    await server.post("/workflows", {"id": "limited", "state_schema": STATE, "nodes": nodes, "edges": edges}, 201)
    await server.post("/workflows", {**limited(ASK, **KEYED), "id": "other"}, 201)
    await server.post("/workers", {**W, "url": worker.url}, 201)
    failed = await started(server)
    assert (await server.settled(failed))["status"] == "failed"
    other = (await server.post("/workflows/other/runs?wait=20", {"input": {"who": "ann"}}, 201))["id"]
    assert await inbox(server) == [other]

    await server.post(f"/runs/{failed}/retry", {})
    while (await stands(server, failed, "job"))[1] != "waiting":
        await server.wired.engine.loop.idle()
    assert await inbox(server) == [other]
    await answered(server, other)
    await asked(server, failed)
    await answered(server, failed)


async def test_items_with_the_same_text_are_one_at_a_time_with_workers(server: Server, worker: HttpWorker) -> None:
    worker.script = [answer({}, 202)] * 9
    sends = {"type": "send", "items_key": "state.out", "target_node": "one", "output_key": "out"}
    sends["concurrency_key"] = "{{ item }}"
    document = {
        "id": "limited", "state_schema": STATE, "nodes": {"all": sends, "one": {"worker_tags": ["w"]}},
        "edges": [["__start__", "all"], ["all", "__end__"]],
    }  # fmt: skip
    await server.post("/workflows", document, 201)
    await server.post("/workers", {**W, "url": worker.url}, 201)
    run = await server.post("/workflows/limited/runs", {"input": {"out": ["x", "x", "y"]}}, 201)
    await worker.until(lambda: len(worker.seen) == 2)
    assert sorted(found.body["index"] for found in worker.seen) == [0, 2]

    for number in range(3):
        await worker.until(lambda number=number: len(worker.seen) > min(number, 2))
        todo = sorted(worker.seen, key=lambda found: found.body["index"])
        found = next(one for one in todo if one.body["index"] == (0, 1, 2)[number])
        await server.post(found.body["reply_to"].removeprefix("http://clew.test/v1"), {"output": number})
        if number == 0:
            await worker.until(lambda: len(worker.seen) == 3)
    assert (await server.settled(run["id"]))["state"]["out"] == [0, 1, 2]
