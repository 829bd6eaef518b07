"""Retention: which ended runs go, which stay, and that no fork loses the history that it reads."""

from __future__ import annotations

import asyncio
from pathlib import Path

from api.wiring import clock
from engine.model import RunId
from engine.verify import verify_run
from tests.integration.test_a2a_server import message, rpc
from tests.unit.api.serving import PATIENCE_S, Server, a_server, asking, straight
from watcher.retention import Retention, Rules

DAY_MS = 24 * 3600 * 1000


async def swept(server: Server, rules: Rules, later_ms: int = 0) -> int:
    engine = server.wired.engine
    retention = Retention(store=engine.store, delete=engine.delete, rules=rules, clock=lambda: clock() + later_ms)
    return await retention.sweep()


async def start(server: Server, workflow: str = "straight") -> str:
    run_id: str = (await server.post(f"/workflows/{workflow}/runs?wait=30", {}, 201))["id"]
    return run_id


async def left(server: Server) -> list[str]:
    """The ids of all runs, the oldest first."""
    return [run["id"] for run in reversed((await server.get("/runs?limit=1000"))["items"])]


async def test_the_newest_of_each_workflow_stay(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), straight("other")):
            await server.post("/workflows", document, 201)
        runs = [await start(server) for _ in range(5)]
        other = await start(server, "other")
        assert await swept(server, Rules(keep_last=2)) == 3
        assert await left(server) == [*runs[3:], other]


async def test_what_ended_long_ago_goes_and_what_waits_stays(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        for document in (straight(), asking()):
            await server.post("/workflows", document, 201)
        await start(server)
        waits = await start(server, "asking")
        young = await swept(server, Rules(max_age_ms=2 * DAY_MS), DAY_MS)
        old = await swept(server, Rules(max_age_ms=2 * DAY_MS), 3 * DAY_MS)
        assert (young, old, await left(server)) == (0, 1, [waits])


async def test_a_run_that_is_still_to_be_told_of_stays(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        nobody = {"webhook": {"url": "http://127.0.0.1:9/told"}}  # port 9: discard, where nobody listens
        told = (await server.post("/workflows/straight/runs?wait=30", nobody, 201))["id"]
        await start(server)
        assert await swept(server, Rules(max_age_ms=0), DAY_MS) == 1
        assert [one["run_id"] for one in (await server.get("/notices?status=pending"))["items"]] == [told]
        assert await left(server) == [told]


async def test_a_task_that_is_still_to_be_pushed_stays(tmp_path: Path) -> None:
    async with a_server(tmp_path, private_pushes=True) as server:
        await server.post("/workflows", straight(), 201)
        nobody = {"id": "p", "url": "http://127.0.0.1:9/told"}
        told = message({"data": {}}) | {"configuration": {"taskPushNotificationConfig": nobody}}
        task = (await rpc(server, "straight", "SendMessage", told))["result"]["task"]["id"]
        await start(server)
        assert await swept(server, Rules(max_age_ms=0), DAY_MS) == 1
        assert await left(server) == [task]


async def test_the_ancestors_of_a_fork_that_lives_stay(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", asking(), 201)
        first = await start(server, "asking")
        second = (await server.post(f"/runs/{first}/fork", {"checkpoint_id": f"{first}.1"}, 201))["id"]
        third = (await server.post(f"/runs/{second}/fork", {"checkpoint_id": f"{second}.1"}, 201))["id"]
        for run_id in (first, second):
            await server.post(f"/runs/{run_id}/cancel", {})
        assert await swept(server, Rules(max_age_ms=0), DAY_MS) == 0
        await server.post(f"/runs/{third}/resume", {"resume": 7})
        assert (await server.settled(third))["state"] == {"answer": 7}
        report = await verify_run(server.wired.store, RunId(third), server.wired.workflows.graph)
        assert (report.problems, await left(server)) == ([], [first, second, third])


async def test_forks_that_are_over_go_with_what_they_were_forked_from(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        first = await start(server)
        forked = await server.post(f"/runs/{first}/fork", {"checkpoint_id": f"{first}.1"}, 201)
        await server.settled(forked["id"])
        assert await swept(server, Rules(max_age_ms=0), DAY_MS) == 2
        assert await left(server) == []


async def test_a_server_with_rules_follows_them(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        runs = [await start(server) for _ in range(3)]
    async with a_server(tmp_path, keep_last=1) as server, asyncio.timeout(PATIENCE_S):
        while len(await left(server)) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0)  # nobody is told when it has swept
        assert await left(server) == runs[2:]
