"""The kit over brokers that are restarted while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from clew import Client
from tests.sdk.serving import at_work, one_task, seen
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
