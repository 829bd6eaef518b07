"""Which of several workers a task goes to over HTTP: who has served its session, also after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.talking import ended
from tests.integration.test_api_workers import W
from tests.unit.api.serving import Server, a_server, working
from tests.unit.dispatch.builders import HttpWorker, answer

NAMES = ("one", "two", "three")
TURNS = 4


def pair() -> dict[str, Any]:
    """A workflow that asks a worker twice, one task after the other."""
    document = working("pair")
    document["nodes"]["more"] = dict(document["nodes"]["job"])
    document["edges"] = [["__start__", "job"], ["job", "more"], ["more", "__end__"]]
    return document


@pytest.fixture
async def folder(tmp_path: Path, worker: HttpWorker) -> AsyncIterator[Path]:
    """The folder of a server with three equal workers."""
    async with a_server(tmp_path) as server:
        for document in (working(), working("other"), pair()):
            await server.post("/workflows", document, 201)
        for name in NAMES:
            await server.post("/workers", {**W, "id": name, "url": f"{worker.url}/{name}", "max_concurrent": 4}, 201)
    yield tmp_path


def took(worker: HttpWorker) -> list[str]:
    """The workers that got tasks, in order."""
    return [seen.path.removeprefix("/") for seen in worker.seen]


async def served(server: Server, workflow: str = "working", session: str = "s") -> None:
    run = await ended(server, session, workflow)
    assert run["status"] == "completed", run["error"]


async def test_a_session_stays_with_the_worker_that_has_served_it(folder: Path, worker: HttpWorker) -> None:
    async with a_server(folder) as server:
        for _ in range(TURNS):
            await served(server)
            await server.settled((await server.post("/workflows/other/runs", {}, 201))["id"])
    assert len(set(took(worker)[::2])) == 1
    assert len(set(took(worker)[1::2])) > 1


async def test_a_session_stays_with_its_worker_over_restarts(folder: Path, worker: HttpWorker) -> None:
    of_session = []
    for turn in range(TURNS):
        async with a_server(folder) as server:
            for _ in range(turn):  # so that it would be another one's turn
                await server.settled((await server.post("/workflows/other/runs", {}, 201))["id"])
            await served(server)
            of_session.append(took(worker)[-1])
    assert len(set(of_session)) == 1


async def test_a_run_that_is_taken_up_again_stays_with_the_worker_of_its_session(
    folder: Path, worker: HttpWorker
) -> None:
    worker.script = [answer({"output": 1}), answer({}, 202)]
    async with a_server(folder) as server:
        run = await server.post("/workflows/pair/runs", {"session_id": "s"}, 201)
        await worker.until(lambda: len(worker.seen) == 2)
        await server.wired.engine.loop.idle()
    worker.script = [answer({"output": 1})]
    async with a_server(folder) as server:
        path = worker.seen[1].body["reply_to"].partition("/v1")[2]
        await server.post(path, {"output": 2})
        await server.settled(run["id"])
        await served(server, "pair")
    assert len(set(took(worker))) == 1


async def test_a_session_keeps_its_worker_where_another_workflow_is_run_in_it(folder: Path, worker: HttpWorker) -> None:
    async with a_server(folder) as server:
        await served(server)
    for workflow in ("other", "pair", "working"):
        async with a_server(folder) as server:
            await server.settled((await server.post("/workflows/other/runs", {}, 201))["id"])
            count = len(worker.seen)
            await served(server, workflow)
            assert set(took(worker)[count:]) == {took(worker)[0]}


async def test_who_could_not_be_asked_gives_the_session_to_another(folder: Path, worker: HttpWorker) -> None:
    async with a_server(folder) as server:
        await served(server)
        (first,) = took(worker)
        await server.post(f"/workers/{first}/drain")
        await served(server)
        second = took(worker)[-1]
        await server.post(f"/workers/{first}/drain", {"draining": False})
    async with a_server(folder) as server:
        await served(server)
    assert first != second == took(worker)[-1]
