"""What is open in a run as it is shown: since when somebody is asked, and that a cancelled run leaves nothing open."""

from __future__ import annotations

from pathlib import Path

from tests.integration.moving import told
from tests.unit.api.serving import Server, a_server, asking, working

DOCUMENTS = (asking(), working())


async def test_an_open_interrupt_says_since_when(tmp_path: Path) -> None:
    async with a_server(tmp_path) as server:
        await server.post("/workflows", asking(), 201)
        run_id = (await server.post("/workflows/asking/runs?wait=10", {}, 201))["id"]
        before = await server.get(f"/runs/{run_id}")
    async with a_server(tmp_path) as server:
        (asked,) = (await server.get("/interrupts"))["items"]
        (shown,) = (await server.get(f"/runs/{run_id}"))["interrupts"]
        checkpoint = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][0]
    assert before["interrupts"] == [shown] == checkpoint["interrupts"]
    assert shown["created_at"] == asked["created_at"] == checkpoint["created_at"]


async def test_what_a_cancelled_run_leaves_has_ended_with_it(server: Server) -> None:
    run_id = (await server.post("/workflows/working/runs", {}, 201))["id"]
    await told(server, run_id, "waiting")
    assert (await server.get(f"/runs/{run_id}"))["tasks"][0]["reason"] == "no_worker"
    await server.post(f"/runs/{run_id}/cancel")
    (task,) = (await server.get(f"/runs/{run_id}"))["tasks"]
    cancelled = (await server.get(f"/runs/{run_id}/checkpoints"))["items"][0]
    assert (task["status"], task["reason"]) == ("cancelled", None)
    assert task["finished_at"] == cancelled["created_at"]
    assert (await server.get(f"/runs/{run_id}/tasks/{task['id']}"))["finished_at"] == cancelled["created_at"]
