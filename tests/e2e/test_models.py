"""A model that streams, over kills: of the server in the middle of an answer, and of the model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tests.e2e.processes import Client, Program, Server, client_of, free_port, running, serving

SAID = "one two three four five six seven eight"
TURNED = " ".join(SAID.split()[::-1])
ASKS = {
    "id": "asks",
    "state_schema": {"reply": {"type": "string"}},
    "nodes": {
        "ask": {
            "worker_tags": ["m"],
            "prompt_template": SAID,
            "output_key": "reply",
            "retry": {"max_attempts": 3, "initial_interval_ms": 1},
        }
    },
    "edges": [["__start__", "ask"], ["ask", "__end__"]],
}


def a_model(folder: Path) -> tuple[Program, str]:
    """A model, and its address."""
    port = free_port()
    command = [sys.executable, "-m", "examples.model", str(port)]
    return Program(command, folder / "model.log"), f"http://127.0.0.1:{port}/v1"


async def begun(client: Client, url: str) -> str:
    """A run of which the model has said something."""
    await client.save(ASKS)
    row = {"id": "m", "protocol": "openai_chat", "url": url, "tags": ["m"], "model": "slow"}
    await client.ask("POST", "/workers", row)
    run_id = str((await client.start("asks"))["id"])
    await said(client, run_id)
    return run_id


async def said(client: Client, run_id: str) -> None:
    """Wait until the stream of a run tells what a model says."""
    async with client.session.get(f"{client.url}/runs/{run_id}/stream", params={"mode": "custom"}) as response:
        async for line in response.content:
            if b'"chunks"' in line:
                return
    raise AssertionError("the run has ended, and nothing was said")


async def ended(client: Client, run_id: str) -> Any:
    """A run that is over."""
    async with client.session.get(f"{client.url}/runs/{run_id}/stream") as response:
        await response.read()
    return await client.run(run_id)


async def test_a_server_that_is_killed_in_the_middle_of_an_answer_asks_again(tmp_path: Path) -> None:
    (model, url), server = a_model(tmp_path), Server(tmp_path)
    async with running(model), running(server), client_of(server.url) as client:
        run_id = await begun(client, url)
        server.kill()
        await server.start()
        run = await ended(client, run_id)
    assert (run["status"], run["state"]["reply"]) == ("completed", TURNED)


async def test_of_a_model_that_is_killed_in_the_middle_of_its_answer_nothing_counts(tmp_path: Path) -> None:
    model, url = a_model(tmp_path)
    async with running(model), serving(tmp_path) as server, client_of(server.url) as client:
        run_id = await begun(client, url)
        model.kill()
        await model.start()
        run = await ended(client, run_id)
    assert (run["status"], run["state"]["reply"]) == ("completed", TURNED)
