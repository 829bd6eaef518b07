"""Keys over kills: whenever the server dies, one run at a time has a key, and the next one follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.e2e.processes import Server, client_of, running

PATIENCE_S = 60.0
ASKS = {
    "id": "asks",
    "state_schema": {"word": {"type": "string"}},
    "nodes": {"ask": {"type": "interrupt", "message": "Well?", "output_key": "word"}},
    "edges": [["__start__", "ask"], ["ask", "__end__"]],
}


async def asks(url: str, run_id: str) -> None:
    """Wait until a run asks its question."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        await client.get(f"{url}/v1/runs/{run_id}/stream?until=interrupted")


async def statuses(client: Any, runs: list[str]) -> list[str]:
    return [(await client.run(run_id))["status"] for run_id in runs]


async def test_one_run_at_a_time_has_a_key_however_often_the_server_is_killed(tmp_path: Path) -> None:
    server = Server(tmp_path)
    async with running(server), client_of(server.url) as client:
        await client.save(ASKS)
        given = ({"concurrency_key": "k", "priority": priority} for priority in (0, 0, 5))
        runs = [(await client.start("asks", **fields))["id"] for fields in given]
        order = [runs[0], runs[2], runs[1]]
        for done, run_id in enumerate(order):
            await asks(server.url, run_id)
            wanted = ["completed"] * done + ["interrupted"] + ["queued"] * (2 - done)
            assert await statuses(client, order) == wanted
            await client.ask("POST", f"/runs/{run_id}/resume", {"resume": "yes"})
            server.kill()
            await server.start()
        assert await statuses(client, order) == ["completed"] * 3
