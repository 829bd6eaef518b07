"""The kit over every transport: a worker process, a real server, and workflows between them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clew import Client
from clew.models import CustomEvent
from clew.worker.transports import NAMES
from tests.e2e.processes import Program, Server
from tests.sdk.serving import at_work, one_task, seen

pytestmark = pytest.mark.parametrize("transport", NAMES, scope="session")


@pytest.fixture
async def worker(tmp_path: Path, clew: Client, options: list[str]) -> AsyncIterator[Program]:
    async with at_work(tmp_path, clew.url, *options) as found:
        yield found


@pytest.fixture
def slow(tmp_path: Path) -> tuple[dict[str, str], Path, Path]:
    """The parameters of a slow task, its notes, and the file that has it end."""
    notes, go = tmp_path / "notes", tmp_path / "go"
    return {"notes": str(notes), "go": str(go)}, notes, go


async def test_functions_work_for_the_tags_of_nodes(clew: Client, worker: Program) -> None:
    [registered] = [found async for found in clew.workers.list() if found.id in worker.command]
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


@pytest.mark.parametrize("what", ["exit", "ctrl-c", "cancelled"])
@pytest.mark.parametrize("tag", ["end", "end_async"])
async def test_a_function_that_would_end_the_program_fails_its_attempt_alone(
    clew: Client, worker: Program, tag: str, what: str
) -> None:
    run = await clew.runs.start(one_task(tag, parameters={"what": what}, timeout_ms=60_000), wait=20)
    other = await clew.runs.start(one_task("shout"), wait=20)
    assert run.error is not None
    assert (run.status, run.error.code, other.status) == ("failed", "worker.exception", "completed")


@pytest.mark.parametrize(
    ("what", "code"), [("long", "answer.too_large"), ("big", "state.invalid"), ("lost", "artifact.missing")]
)
async def test_what_no_server_takes_fails_its_attempt_at_once(
    clew: Client, worker: Program, what: str, code: str
) -> None:
    run = await clew.runs.start(one_task("large", parameters={"what": what}, timeout_ms=60_000), wait=20)
    other = await clew.runs.start(one_task("shout"), wait=20)
    assert run.error is not None
    assert (run.status, run.error.code, other.status) == ("failed", code, "completed")


async def test_a_function_may_ask_and_plain_ones_have_a_thread(clew: Client, worker: Program) -> None:
    run = await clew.runs.start(one_task("ask"), wait=20)
    assert [question.json_schema for question in run.interrupts] == [{"enum": ["S", "M"]}]
    await clew.runs.resume(run.id, "S")
    assert (await clew.runs.wait(run.id, 20)).state["out"] == "S clew-task"


async def test_what_is_reported_is_told_in_order(clew: Client, worker: Program) -> None:
    run = await clew.runs.start(one_task("tell"), wait=20)
    told = [event.data async for event in clew.runs.stream(run.id, ("custom",)) if isinstance(event, CustomEvent)]
    assert (told[0].stage, told[0].progress, told[0].message, told[0].data) == ("running", 0.5, "half", {"of": 2})
    assert "".join(custom.text("log") for custom in told) == "a line"
    assert "".join(custom.text() for custom in told) == "one two three"


TABS = {
    "id": "tabs",
    "state_schema": {"tab": {}, "is_here": {}},
    "nodes": {
        "open": {"worker_tags": ["open"], "prompt_template": "go on", "output_key": "tab"},
        "use": {"worker_tags": ["use"], "input": {"resource_ref": "{{ state.tab }}"}, "output_key": "is_here"},
    },
    "edges": [["__start__", "open"], ["open", "use"], ["use", "__end__"]],
}


async def test_what_one_worker_alone_has_brings_tasks_to_it(
    clew: Client, worker: Program, tmp_path: Path, options: list[str]
) -> None:
    """The other one, which is as free, gets none of them."""
    other = [f"{option}-2" if option.startswith("kit-") else option for option in options]
    (tmp_path / "other").mkdir()
    async with at_work(tmp_path / "other", clew.url, *other):
        for _ in range(4):
            run = await clew.runs.start(TABS, wait=20)
            assert (run.status, run.state["is_here"]) == ("completed", True)


async def test_how_a_worker_is_is_shown_to_all(clew: Client, worker: Program) -> None:
    async with asyncio.timeout(20):
        while True:
            [row] = [found async for found in clew.workers.list() if found.id in worker.command]
            if row.metrics is not None:
                break
            await asyncio.sleep(0.05)
    assert (row.reported_status, row.metrics["free"]) == ("idle", 4)
    assert {"cpu", "memory_used", "memory_total", "disk_free"} <= row.metrics.keys()
    assert row.inventory["packages"]["httpx"]
    assert (row.metadata["protocol_version"], row.metadata["runtimes"]) == (1, ["python"])


async def test_what_follows_a_task_is_done_also_where_that_fails_or_is_cancelled(
    clew: Client, worker: Program, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    parameters = {"notes": str(notes), "go": str(tmp_path / "never"), "releases": True}
    await clew.runs.start(one_task("shout", parameters=parameters), wait=20)
    await clew.runs.start(one_task("fail", parameters=parameters), wait=20)
    run = await clew.runs.start(one_task("slow", parameters=parameters))
    await seen(notes, "begun")
    await clew.runs.cancel(run.id)
    lines = await seen(notes, "released", 3)
    released = [line.split()[1] for line in lines if line.startswith("released")]
    assert released == ["output", "error", "error"]


async def test_a_cancelled_run_ends_its_functions(clew: Client, worker: Program, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    for tag in ("slow", "stuck"):
        run = await clew.runs.start(one_task(tag, parameters={"notes": str(notes), "go": str(tmp_path / "never")}))
        await seen(notes, "begun")
        await clew.runs.cancel(run.id)
        await seen(notes, "cancelled")
        notes.unlink()


async def test_a_worker_that_is_drained_hears_of_it_and_hands_back_what_it_has(
    clew: Client, worker: Program, tmp_path: Path, options: list[str], slow, transport: str
) -> None:
    parameters, notes, _ = slow
    worker_id = next(option for option in options if option.startswith("kit-"))
    run = await clew.runs.start(one_task("slow", parameters=parameters))
    await seen(notes, "begun")
    await clew.workers.drain(worker_id, mode="hand_back")
    if transport != "pull":  # its heartbeats are for the request, which is wanted still, from whoever has it
        await seen(notes, "cancelled")
    await lines_with(tmp_path / "worker.log", f"'{worker_id}' is drained")
    await clew.workers.drain(worker_id, draining=False)
    await lines_with(tmp_path / "worker.log", f"'{worker_id}' gets tasks again")
    await clew.runs.cancel(run.id)
    await seen(notes, "cancelled")


async def lines_with(log: Path, words: str) -> None:
    """Wait until a log has a line with these words."""
    async with asyncio.timeout(20):
        while words not in log.read_text():  # noqa: ASYNC110 - it is another process that writes it
            await asyncio.sleep(0.05)


async def test_many_tasks_are_worked_at_at_once_and_no_more(clew: Client, worker: Program, slow) -> None:
    parameters, notes, go = slow
    runs = [await clew.runs.start(one_task("slow", parameters=parameters)) for _ in range(6)]
    await seen(notes, "begun", 4)
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["begun"] * 4
    go.touch()
    assert {(await clew.runs.wait(run.id, 20)).status for run in runs} == {"completed"}


async def test_on_sigterm_it_finishes_what_it_has(clew: Client, worker: Program, slow) -> None:
    parameters, notes, go = slow
    run = await clew.runs.start(one_task("slow", parameters=parameters))
    await seen(notes, "begun")
    os.kill(worker.pid, signal.SIGTERM)
    go.touch()
    assert (await clew.runs.wait(run.id, 20)).state["out"] == "slow but sure"
    assert worker.running is not None
    assert await asyncio.to_thread(worker.running.wait, 20) == 0


async def test_a_server_that_is_killed_does_not_have_the_work_done_twice(
    own: Client, server: Server, tmp_path: Path, options: list[str], slow
) -> None:
    parameters, notes, go = slow
    async with at_work(tmp_path, own.url, *options):
        run = await own.runs.start(one_task("slow", parameters=parameters))
        await seen(notes, "begun")
        server.kill()
        await server.start()
        go.touch()
        assert (await own.runs.wait(run.id, 60)).state["out"] == "slow but sure"
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["begun", "done"]


async def test_a_worker_that_is_killed_has_its_task_done_by_the_next(clew: Client, worker: Program, slow) -> None:
    parameters, notes, go = slow
    document = one_task("slow", parameters=parameters, retry={"max_attempts": 5}, timeout_ms=5000)
    run = await clew.runs.start(document)
    await seen(notes, "begun")
    worker.kill()
    go.touch()
    await worker.start()
    assert (await clew.runs.wait(run.id, 90)).state["out"] == "slow but sure"
