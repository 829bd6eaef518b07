"""The demo: runs the smallest shipped workflow, two transforms, through the real store, and shows its checkpoints."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import uuid_utils

from engine.driver import Engine, StartRequest
from engine.driver.reader import Reader
from engine.graph import Graph
from engine.outbox import Listener, Work
from engine.parse import parse
from store.sql import SqliteStore

WORKFLOW = Path(__file__).parents[1] / "workflows" / "hello.json"


class NoWorkers:
    """An outbox for workflows that ask no worker."""

    def listen(self, listener: Listener) -> None:
        """Nobody is told anything."""

    def submit(self, work: Work) -> None:
        """Leave the task waiting."""

    def release(self, task_id: str) -> None:
        """Nothing is held."""


async def main() -> None:
    """Run the workflow on a database in a temporary folder."""
    document = json.loads(WORKFLOW.read_text("utf-8"))
    graph = parse(document, document["id"], 1)

    async def graph_of(workflow_id: str, version: int) -> Graph:
        return graph

    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "clew.db")
        await store.open()
        engine = Engine(
            store, NoWorkers(), graph_of, clock=lambda: int(time.time() * 1000), chance=random.random,
            new_id=lambda: str(uuid_utils.uuid7()), secret_of=lambda run, task: "",
        )  # fmt: skip
        await engine.open()
        run_id = await engine.start_run(StartRequest(workflow_id=graph.workflow_id, version=1))
        await engine.wait(run_id, 10)
        reader = Reader(store, engine.loader, engine.loop)
        seen = [c async for c in reader.checkpoints(run_id, node=None, branch=None, state=True, limit=50, cursor=None)]
        for shape in reversed(seen[:-1]):
            sys.stdout.write(f"{shape['seq']} {shape['kind']:6} {shape['node'] or '':8} {shape['state']}\n")
        sys.stdout.write(f"run {run_id} {(await reader.run(run_id))['status']}\n")
        await engine.close()
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
