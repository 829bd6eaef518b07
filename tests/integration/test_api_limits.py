"""Limits of runs over HTTP, also of runs that nobody holds in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.api.serving import Server, a_server, asking


async def ended(server: Server, run_id: str) -> Any:
    """The run, once its stream has ended."""
    await server.http.get(f"/runs/{run_id}/stream")
    return await server.get(f"/runs/{run_id}")


async def test_a_run_that_rests_runs_out_of_time_over_a_restart(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", asking(), 201)
        started = await server.post("/workflows/asking/runs?wait=5", {"config": {"timeout_ms": 800}}, 201)
    async with a_server(tmp_path) as server:
        held = list(server.wired.engine.loop.lives)
        run = await ended(server, started["id"])
        problem = await server.refused("POST", f"/runs/{run['id']}/resume", 409, json={"resume": 1})
    assert (started["status"], held) == ("interrupted", [])
    assert (run["status"], run["error"]["code"]) == ("failed", "run.timeout")
    assert problem["code"] == "run.not_interrupted"


async def test_a_config_with_what_is_no_limit_starts_nothing(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", asking(), 201)
        problem = await server.refused("POST", "/workflows/asking/runs", 422, json={"config": {"max_cost": "x"}})
        assert (problem["code"], problem["errors"][0]["path"]) == ("config.invalid", "/config/max_cost")
        assert (await server.get("/runs"))["items"] == []
