"""The kit over brokers that are restarted while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clew import Client
from tests.e2e.processes import Program, free_port
from tests.sdk.serving import a_worker, at_work, one_task, seen
from tests.servers import own_mosquitto, own_redis


@pytest.mark.parametrize(("transport", "own"), [("redis_stream", own_redis), ("mqtt", own_mosquitto)])
async def test_a_broker_that_is_restarted_loses_nothing(clew: Client, transport: str, own, tmp_path: Path) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    with own() as broker:
        options = ["--transport", transport, "--id", f"restarted-{transport}", "--broker", broker.url]
        async with at_work(tmp_path, clew.url, *options):
            document = one_task("slow", parameters={"notes": str(notes), "go": str(go)})
            run = await clew.runs.start(document)
            await seen(notes, "begun")
            await asyncio.to_thread(broker.restart)
            go.touch()
            assert (await clew.runs.wait(run.id, 60)).state["out"] == "slow but sure"
            after = await clew.runs.start(one_task("shout"), wait=30)
            assert after.state["out"] == "GO ON"
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["begun", "done"]


async def said(program: Program, words: str) -> None:
    """Wait until a program has said something."""
    async with asyncio.timeout(30):
        while True:
            if program.output.exists() and words in program.said():
                return
            await asyncio.sleep(0.02)


async def test_the_server_hears_of_a_worker_once_it_has_subscribed(clew: Client, tmp_path: Path) -> None:
    with own_mosquitto() as broker:
        broker.stop()
        options = ("--transport", "mqtt", "--id", "subscribed-late", "--broker", broker.url)
        program = a_worker(tmp_path, clew.url, *options)
        starting = asyncio.ensure_future(program.start())
        try:
            await said(program, "no connection to the broker")
            assert "subscribed-late" not in [found.id async for found in clew.workers.list()]
            broker.start()
            await starting
            assert (await clew.workers.get("subscribed-late")).protocol == "mqtt"
            assert (await clew.runs.start(one_task("shout"), wait=30)).state["out"] == "GO ON"
            assert await program.stop() == 0
            await clew.workers.remove("subscribed-late")
        finally:
            starting.cancel()
            program.kill()


@pytest.mark.parametrize(("transport", "scheme"), [("redis_stream", "redis"), ("mqtt", "mqtt")])
async def test_a_broker_that_was_never_there_is_an_error_that_names_it(
    clew: Client, transport: str, scheme: str, tmp_path: Path
) -> None:
    address, worker_id = f"127.0.0.1:{free_port()}", f"nowhere-{transport}"
    options = ("--transport", transport, "--id", worker_id, "--broker", f"{scheme}://me:secret@{address}")
    program = a_worker(tmp_path, clew.url, *options)
    starting = asyncio.ensure_future(program.start())
    try:
        await said(program, "no connection to the broker")
        line = program.said().splitlines()[0]
        assert f" ERROR clew.worker.transports._broker: no connection to the broker {scheme}://{address}: " in line
        assert ("Check that --broker is right" in line, "secret" in line) == (True, False)
    finally:
        starting.cancel()
        program.kill()
    if transport == "redis_stream":
        await clew.workers.remove(worker_id)
