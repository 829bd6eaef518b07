"""A store that takes no commit: work stops and says why, nothing that was acknowledged is lost, and it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreUnavailable
from engine.model import RunId
from engine.ports import Batch
from engine.verify import verify_run
from store.sql import SqliteStore
from tests.unit.api.serving import PATIENCE_S, Server, a_server, asking, straight, working
from tests.unit.dispatch.builders import answer, http_worker

ROOM = 1 << 30


class FailingCommits:
    """Has commits of a store fail by their numbers: before anything is written, or `late`, when all of it was."""

    def __init__(self, server: Server, numbers: Iterable[int], *, late: bool) -> None:
        store: Any = server.wired.store
        self._commit, self._numbers, self._late, self.calls = store.commit, set(numbers), late, 0
        store.commit = self.commit
        server.wired.engine.loop.recovery.retry_s = 0.001

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        self.calls += 1
        fails = self.calls in self._numbers
        if self._late or not fails:
            await self._commit(batch, meanwhile)
        if fails:
            raise StoreUnavailable("the disk says no")


def set_room(server: Server, pages: int | None) -> None:
    """Bound the size of the database, at what it is now where no number is given."""
    store = server.wired.store
    assert isinstance(store, SqliteStore)
    assert store._writer is not None
    connection = store._writer.connection
    (now,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages or now}")
    server.wired.engine.loop.recovery.retry_s = 0.001


async def recovered(server: Server) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.wired.engine.loop.recovery.fault is not None:  # noqa: ASYNC110
            await asyncio.sleep(0)  # nobody is told when it is over


async def problems_of(server: Server, run_id: str) -> list[str]:
    return (await verify_run(server.wired.store, RunId(run_id), server.wired.workflows.graph)).problems


async def filled(server: Server) -> tuple[list[str], Any]:
    """Start runs until the disk is full: those that were acknowledged, and the refusal."""
    started: list[str] = []
    while True:
        response = await server.http.post("/workflows/straight/runs?wait=30", json={"metadata": {"x": "x" * 20_000}})
        if response.status_code != 201:
            return started, response
        started.append(response.json()["id"])


async def test_a_full_disk_is_told_and_work_goes_on_once_there_is_room(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        set_room(server, None)
        started, refusal = await filled(server)
        ready = await server.refused("GET", "/ready", 507)
        assert (refusal.status_code, refusal.json()["code"], ready["code"]) == (507, "store.full", "store.full")
        assert "Retry-After" in refusal.headers
        assert len((await server.get("/runs?limit=1000"))["items"]) == len(started)
        set_room(server, ROOM)
        await recovered(server)
        assert (await server.get("/ready")) == {"status": "ready", "brokers": []}
        started.append((await server.post("/workflows/straight/runs?wait=30", {}, 201))["id"])
        assert [(await server.settled(run_id))["status"] for run_id in started] == ["completed"] * len(started)
        assert [await problems_of(server, run_id) for run_id in started] == [[]] * len(started)


async def test_what_was_refused_for_want_of_room_is_not_done_later(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", straight(), 201)
        await server.post("/workflows", asking(), 201)
        asked = await server.post("/workflows/asking/runs?wait=30", {}, 201)
        set_room(server, None)
        started, _ = await filled(server)
        await server.refused("POST", f"/runs/{asked['id']}/resume", 507, json={"resume": 1})
        set_room(server, ROOM)
        await recovered(server)
        assert (await server.get(f"/runs/{asked['id']}"))["status"] == "interrupted"
        assert len((await server.get("/runs?limit=1000"))["items"]) == len(started) + 1
        await server.post(f"/runs/{asked['id']}/resume", {"resume": 2})
        assert (await server.settled(asked["id"]))["state"] == {"answer": 2}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", range(1, 7))
async def test_a_failed_commit_loses_nothing_that_was_acknowledged(tmp_path: Path, number: int, late: bool) -> None:
    async with a_server(tmp_path) as server, http_worker() as worker:
        worker.script = [answer({"output": "done"})] * 20
        await server.post("/workers", {"id": "w", "url": worker.url, "protocol": "webhook", "tags": ["w"]}, 201)
        await server.post("/workflows", working(), 201)
        failing = FailingCommits(server, (number, number + 1), late=late)
        acknowledged = []
        while failing.calls <= number + 1:
            response = await server.http.post("/workflows/working/runs?wait=30", json={})
            assert response.status_code in (201, 503), response.text
            acknowledged += [response.json()["id"]] if response.status_code == 201 else []
            await recovered(server)
        assert acknowledged
        ends = [await server.settled(run_id) for run_id in acknowledged]
        assert [(run["status"], run["state"]) for run in ends] == [("completed", {"out": "done"})] * len(ends)
        assert [await problems_of(server, run["id"]) for run in ends] == [[]] * len(ends)
