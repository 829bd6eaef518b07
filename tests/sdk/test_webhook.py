"""The kit over webhooks: a worker process, a real server, and workflows between them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from clew import Client, NotFound
from clew.models import CustomEvent
from tests.e2e.processes import Program, Server
from tests.sdk.serving import a_worker, at_work, one_task, seen


@pytest.fixture
async def worker(tmp_path: Path, clew: Client) -> AsyncIterator[Program]:
    async with at_work(tmp_path, clew.url) as found:
        yield found


async def test_functions_work_for_the_tags_of_nodes(clew: Client, worker: Program) -> None:
    registered = await clew.workers.get("kit")
    assert {"shout", "answer", "ask"} <= set(registered.tags)
    assert (registered.max_concurrent, registered.metadata["sdk"]) == (4, "clew-sdk 0.1.0")
    shouted = await clew.runs.start(one_task("shout"), wait=20)
    answered = await clew.runs.start(one_task("answer", reads=["out"]), {"out": 1}, wait=20)
    assert (shouted.status, shouted.state["out"]) == ("completed", "GO ON")
    assert answered.state == {"out": "out", "more": {"out": 1}}
    assert (answered.usage.input_tokens, answered.usage.cost) == (3, 0.5)


async def test_what_a_function_raises_fails_the_attempt(clew: Client, worker: Program) -> None:
    own = await clew.runs.start(one_task("fail", parameters={"own": True}, retry={"max_attempts": 3}), wait=20)
    other = await clew.runs.start(one_task("fail", parameters={}), wait=20)
    assert own.error is not None
    assert other.error is not None
    assert (own.error.code, own.error.message, own.error.attempt) == ("page.missing", "no such page", 1)
    assert (other.error.code, other.error.message) == ("worker.exception", "ValueError: broken")


async def test_a_function_may_ask_and_plain_ones_have_a_thread(clew: Client, worker: Program) -> None:
    run = await clew.runs.start(one_task("ask"), wait=20)
    assert [question.json_schema for question in run.interrupts] == [{"enum": ["S", "M"]}]
    await clew.runs.resume(run.id, "S")
    assert (await clew.runs.wait(run.id)).state["out"] == "S clew-task"


async def test_what_is_reported_is_told_in_order(clew: Client, worker: Program) -> None:
    run = await clew.runs.start(one_task("tell"), wait=20)
    told = [event.data async for event in clew.runs.stream(run.id, ("custom",)) if isinstance(event, CustomEvent)]
    assert (told[0].stage, told[0].progress, told[0].message, told[0].data) == ("running", 0.5, "half", {"of": 2})
    assert "".join(custom.text("log") for custom in told) == "a line"
    assert "".join(custom.text() for custom in told) == "one two three"


async def test_a_cancelled_run_ends_its_functions(clew: Client, worker: Program, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for tag in ("slow", "stuck"):
        where = {"notes": str(notes), "go": str(tmp_path / "never")}
        run = await clew.runs.start(one_task(tag, parameters=where))
        await seen(notes, "begun")
        await clew.runs.cancel(run.id)
        await seen(notes, "cancelled")
        notes.unlink()


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


async def test_a_server_that_is_killed_does_not_have_the_work_done_twice(
    own: Client, server: Server, tmp_path: Path
) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    async with at_work(tmp_path, own.url):
        run = await own.runs.start(one_task("slow", parameters={"notes": str(notes), "go": str(go)}))
        await seen(notes, "begun")
        server.kill()
        await server.start()
        go.touch()
        assert (await own.runs.wait(run.id, 30)).state["out"] == "slow but sure"
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["begun", "done"]


async def test_a_worker_that_is_killed_has_its_task_done_by_the_next(clew: Client, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    where = {"notes": str(notes), "go": str(go)}
    async with at_work(tmp_path, clew.url) as worker:
        run = await clew.runs.start(one_task("slow", parameters=where, retry={"max_attempts": 3}))
        await seen(notes, "begun")
        worker.kill()
        go.touch()
        await worker.start()
        assert (await clew.runs.wait(run.id, 30)).state["out"] == "slow but sure"


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
