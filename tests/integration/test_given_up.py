"""Whoever asked for a run has gone, before it began or just after: it is there or it is not, and holds up nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from engine.driver import StartRequest
from engine.model import TERMINAL
from tests.unit.api.serving import a_server, straight


@pytest.mark.parametrize("session", [None, "s"])
@pytest.mark.parametrize("steps", range(6))
async def test_a_start_that_is_given_up_leaves_no_trace_or_a_run(
    tmp_path: Path, steps: int, session: str | None
) -> None:
    async with a_server(tmp_path, max_runs=1) as server:
        await server.post("/workflows", straight(), 201)
        engine, request = server.wired.engine, StartRequest(workflow_id="straight", version=1, session=session)
        starting = asyncio.create_task(engine.start_run(request))
        for _ in range(steps):
            await asyncio.sleep(0)
        starting.cancel()
        with suppress(asyncio.CancelledError):
            await starting

        after = await server.post("/workflows/straight/runs?wait=10", {}, 201)

        runs = (await server.get("/runs"))["items"]
        assert after["status"] == "completed"
        assert all(run["status"] in TERMINAL for run in runs)
        assert {live.run.id for live in engine.loop.lives.values()} <= {run["id"] for run in runs}
        assert engine.loop.tally.lost == 0
