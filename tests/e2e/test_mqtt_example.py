"""The example of a worker over MQTT works, alone and beside others, in both versions."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, Program, client_of, running, serving
from tests.servers import own_mosquitto

ASKED = {"type": "task", "worker_tags": ["shout"], "prompt_template": "{{ state.word }}", "output_key": "loud"}
SHOUT = {
    "id": "shout",
    "state_schema": {"word": {"type": "string"}, "loud": {"type": "string"}},
    "nodes": {"job": ASKED},
    "edges": [["__start__", "job"], ["job", "__end__"]],
}
PAGE = ROOT / "docs/how-to/reach-workers-over-mqtt.md"


def configured() -> list[str]:
    """What the page wants of a broker, but for where it listens."""
    block = PAGE.read_text("utf-8").split("```\n")[1]
    return [line for line in block.splitlines() if not line.startswith(("listener", "allow", "persistence"))]


def worker(url: str, name: str, folder: Path, version: str) -> Program:
    command = [sys.executable, "-m", "examples.mqtt_worker", url, name, version]
    return Program(command, folder / f"{name}.log")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_two_example_workers_share_the_tasks_of_a_topic(tmp_path: Path, version: str) -> None:
    with own_mosquitto(configured()) as broker:
        url = f"{broker.url}/shout"
        one, two = (worker(url, name, tmp_path, version) for name in ("one", "two"))
        async with (
            running(one),
            running(two),
            serving(tmp_path, env={"PYTHONPATH": str(ROOT)}) as server,
            client_of(server.url) as client,
        ):
            await client.save(SHOUT)
            row: dict[str, Any] = {"id": "shouters", "protocol": "mqtt", "url": url, "tags": ["shout"]}
            row |= {"max_concurrent": 8, "metadata": {"mqtt_version": version}}
            await client.ask("POST", "/workers", row)
            words = [f"word {number}" for number in range(20)]
            runs = await asyncio.gather(*(client.start("shout", wait=30, input={"word": word}) for word in words))
        assert [run["state"]["loud"] for run in runs] == [word.upper() for word in words]
        assert one.said().count("answered") + two.said().count("answered") == 20
        assert one.said().count("answered") and two.said().count("answered")
