"""What is of webhooks alone: signatures, answers that come later, and how a worker comes and goes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from clew import Client, NotFound
from tests.e2e.processes import Program, Server
from tests.sdk.serving import a_worker, at_work, one_task, seen


@pytest.fixture
async def worker(tmp_path: Path, clew: Client) -> AsyncIterator[Program]:
    async with at_work(tmp_path, clew.url) as found:
        yield found


async def test_a_request_that_nobody_has_signed_is_refused(clew: Client, worker: Program) -> None:
    url = (await clew.workers.get("kit")).url
    async with httpx.AsyncClient(trust_env=False) as stranger:
        refused = await stranger.post(str(url), json={"task_id": "t", "reply_to": "http://x/"})
        well = await stranger.get(str(url))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "worker.signature")
    assert well.json() == {"status": "ok", "worker": "kit"}


async def test_on_sigterm_it_finishes_what_it_has_and_leaves(clew: Client, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    async with at_work(tmp_path, clew.url) as worker:
        run = await clew.runs.start(one_task("slow", parameters={"notes": str(notes), "go": str(go)}))
        await seen(notes, "begun")
        os.kill(worker.pid, signal.SIGTERM)
        with pytest.raises(NotFound):
            while True:
                await clew.workers.get("kit")
        go.touch()
        assert (await clew.runs.wait(run.id, 20)).state["out"] == "slow but sure"
        assert await worker.stop() == 0


async def test_it_may_answer_later(clew: Client, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    async with at_work(tmp_path, clew.url, "--accept-after", "0.1"):
        run = await clew.runs.start(one_task("slow", parameters={"notes": str(notes), "go": str(go)}))
        await seen(notes, "begun")
        while (await clew.runs.get(run.id)).tasks[0].pending_ack:
            pass
        go.touch()
        assert (await clew.runs.wait(run.id, 20)).state["out"] == "slow but sure"


async def test_it_waits_for_a_server_that_is_not_there_yet(tmp_path: Path, server: Server) -> None:
    await server.stop()
    worker = a_worker(tmp_path, server.url)
    starting = asyncio.create_task(worker.start())
    try:
        await seen(worker.output, "", times=1)
        await server.start()
        await starting
    finally:
        await worker.stop()
