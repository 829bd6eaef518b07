"""A worker that somebody removes at the server: it comes back by itself, unless it was drained before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from clew import Client, NotFound
from clew.models import RegisteredAs
from clew.worker.transports import NAMES
from tests.e2e.processes import Program
from tests.sdk.serving import at_work, one_task, seen

pytestmark = pytest.mark.parametrize("transport", NAMES, scope="session")


@pytest.fixture
async def worker(tmp_path: Path, clew: Client, options: list[str]) -> AsyncIterator[Program]:
    async with at_work(tmp_path, clew.url, *options) as found:
        yield found


def id_of(worker: Program) -> str:
    return worker.command[worker.command.index("--id") + 1]


async def registered(clew: Client, worker_id: str, **like: Any) -> RegisteredAs:
    """The worker, once it is registered, and is like that."""
    async with asyncio.timeout(30):
        while True:
            try:
                found = await clew.workers.get(worker_id)
            except NotFound:
                pass
            else:
                if all(getattr(found, name) == value for name, value in like.items()):
                    return found
            await asyncio.sleep(0.02)


async def told(worker: Program, words: str) -> None:
    """Wait until a worker has said something."""
    async with asyncio.timeout(30):
        while words not in worker.said():  # noqa: ASYNC110 - another process says it
            await asyncio.sleep(0.02)


async def test_it_registers_again_and_works_on(clew: Client, worker: Program, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    document = one_task("slow", parameters={"notes": str(notes), "go": str(go)})
    run = await clew.runs.start(document)
    await seen(notes, "begun")
    before = await clew.workers.get(id_of(worker))
    await clew.workers.remove(before.id)
    after = await registered(clew, before.id)
    assert (after.tags, after.protocol, after.url) == (before.tags, before.protocol, before.url)
    assert after.created_at > before.created_at
    go.touch()
    assert (await clew.runs.wait(run.id, 30)).state["out"] == "slow but sure"
    assert (await clew.runs.start(one_task("shout"), wait=30)).state["out"] == "GO ON"
    assert f"worker '{before.id}' was removed at the server: it registers again" in worker.said()
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["begun", "done"]


async def test_one_that_was_drained_before_ends(clew: Client, worker: Program) -> None:
    worker_id = id_of(worker)
    drained = await clew.workers.drain(worker_id)
    assert drained.status == "draining"
    if drained.protocol != "websocket":  # there the server says it when it removes the worker
        await told(worker, f"worker '{worker_id}' is drained: it gets nothing more")
    await clew.workers.remove(worker_id)
    assert worker.running is not None
    await asyncio.to_thread(worker.running.wait, 30)
    with pytest.raises(NotFound):
        await clew.workers.get(worker_id)
    assert "was drained and removed at the server" in worker.said()


async def test_it_says_what_it_can_do_and_how_it_is(clew: Client, worker: Program) -> None:
    found = await registered(clew, id_of(worker))
    async with asyncio.timeout(30):
        while found.inventory is None:
            found = await clew.workers.get(found.id)
    assert found.inventory["handlers"]["shout"] == "shout"
    assert found.inventory["sdk"].startswith("clew-sdk ")
    if found.protocol != "websocket":
        assert (found.metrics["working"], found.metrics["free"]) == (0, 4)
