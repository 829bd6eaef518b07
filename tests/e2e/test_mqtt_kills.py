"""A server that is killed while workers are asked over MQTT loses nothing and applies nothing twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.e2e.processes import ROOT, Client, client_of, serving
from tests.mqtt_worker import Got, mqtt_worker
from tests.servers import Mosquitto

LENGTH, RUNS, KILLS = 8, 12, 3
PATIENCE_S = 60.0
NAMES = [f"n{number}" for number in range(LENGTH)]
COUNTING = {
    "id": "counting",
    "state_schema": {"n": {"type": "integer", "reducer": "add"}},
    "nodes": {name: {"type": "task", "worker_tags": ["w"], "output_key": "n"} for name in NAMES},
    "edges": [list(pair) for pair in zip(["__start__", *NAMES], [*NAMES, "__end__"], strict=True)],
}


async def ended(client: Client, run_id: str) -> None:
    """Wait until the stream of a run has ended."""
    async with client.session.get(f"{client.url}/runs/{run_id}/stream") as stream:
        async for line in stream.content:
            if line.startswith(b"event: end"):
                return


async def test_a_server_that_is_killed_in_the_middle_goes_on(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Each task adds one; a worker holds every third answer back until the server has been killed."""
    held: list[Got] = []

    def work(got: Got) -> list[tuple[str, object]]:
        if len(worker.tasks) % 3 == 0:
            held.append(got)
            return []
        return [("", {"output": 1})]

    topic = f"kills/{tmp_path.name}"
    async with (
        mqtt_worker(mosquitto.port, topic) as worker,
        serving(tmp_path, env={"PYTHONPATH": str(ROOT)}) as server,
        client_of(server.url) as client,
    ):
        worker.script = work
        await client.save(COUNTING)
        row = {"id": "w1", "protocol": "mqtt", "url": f"{mosquitto.url}/{topic}", "tags": ["w"], "max_concurrent": 64}
        await client.ask("POST", "/workers", row)
        runs = [(await client.start("counting"))["id"] for _ in range(RUNS)]
        for kill in range(1, KILLS + 1):
            await worker.until(lambda kill=kill: len(worker.tasks) >= kill * RUNS)
            server.kill()
            while held:
                await worker.answer(held.pop(), [("", {"output": 1})])
            await server.start()
        worker.script = lambda got: [("", {"output": 1})]
        while held:
            await worker.answer(held.pop(), [("", {"output": 1})])
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(ended(client, run_id) for run_id in runs))
        ends = [await client.run(run_id) for run_id in runs]
    assert [(end["status"], end["state"]["n"]) for end in ends] == [("completed", LENGTH)] * RUNS
    assert len({got.body["task_id"] for got in worker.tasks}) == LENGTH * RUNS
