"""Clew: the engine and its database in one process, asked as its rivals are; a worker does the fan-out over HTTP."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from typing import Any

import uvloop

from api.schemas_workers import NewWorker
from api.wiring import Wired
from bench.budget import WAIT_S, engine
from bench.documents import chain, fan_out
from bench.rivals.lines import AT_ONCE, ITEMS, LENGTH, SHORT, expect, obey
from engine.driver import StartRequest

WORKER = "CLEW_BENCH_WORKER"
"""The environment variable with the address of the worker."""


async def run(wired: Wired, workflow: str, given: dict[str, Any]) -> Any:
    run_id = await wired.engine.start_run(StartRequest(workflow_id=workflow, version=1, input=given))
    await wired.engine.wait(run_id, WAIT_S)
    return await wired.reader.run(run_id)


async def main() -> None:
    async with engine() as wired:
        worker = {"id": "w", "url": os.environ[WORKER], "protocol": "webhook", "tags": ["bench"], "max_concurrent": 64}
        await wired.workers.register(NewWorker.model_validate(worker))
        for document in (chain(LENGTH), chain(SHORT), fan_out()):
            await wired.workflows.create(document)

        async def in_turn(runs: int) -> None:
            for _ in range(runs):
                expect((await run(wired, f"chain-{LENGTH}", {"n": 0}))["state"]["n"], LENGTH)

        async def at_once() -> None:
            ends = await asyncio.gather(*(run(wired, f"chain-{SHORT}", {"n": 0}) for _ in range(AT_ONCE)))
            expect([end["state"]["n"] for end in ends], [SHORT] * AT_ONCE)

        async def send() -> None:
            end = await run(wired, "fan-out", {"items": [f"item {number}" for number in range(ITEMS)]})
            expect(end["state"]["results"], [1] * ITEMS)

        await obey({"name": "Clew", "pragmas": pragmas(wired)}, {"chain": in_turn, "many": at_once, "send": send})


def pragmas(wired: Wired) -> dict[str, Any]:
    """Those of the connection that writes."""
    connection: sqlite3.Connection = wired.store._writer.connection  # type: ignore[attr-defined]
    names = ("journal_mode", "synchronous")
    return {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}


if __name__ == "__main__":
    uvloop.run(main())
