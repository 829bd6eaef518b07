"""DBOS on SQLite: the same chains as a workflow of steps, each of which is recorded before the next begins."""

from __future__ import annotations

import asyncio
import tempfile
from importlib.metadata import version
from pathlib import Path

import sqlalchemy
from dbos import DBOS
from sqlalchemy import event

from bench.rivals.lines import AT_ONCE, LENGTH, SHORT, expect, obey

PRAGMAS = ("journal_mode", "synchronous")
seen: dict[str, object] = {}


@event.listens_for(sqlalchemy.engine.Engine, "checkout")
def look(connection: object, *_: object) -> None:
    """The pragmas of the connections that DBOS works with."""
    for pragma in PRAGMAS:
        if pragma not in seen:
            seen[pragma] = connection.execute(f"PRAGMA {pragma}").fetchone()[0]  # type: ignore[attr-defined]


@DBOS.step()
async def add_one(n: int) -> int:
    return n + 1


@DBOS.workflow()
async def chain(length: int) -> int:
    n = 0
    for _ in range(length):
        n = await add_one(n)
    return n


async def in_turn(runs: int) -> None:
    for _ in range(runs):
        expect(await chain(LENGTH), LENGTH)


async def at_once() -> None:
    expect(await asyncio.gather(*(chain(SHORT) for _ in range(AT_ONCE))), [SHORT] * AT_ONCE)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as folder:
        file = Path(folder, "rival.db")
        DBOS(
            config={
                "name": "bench",
                "system_database_url": f"sqlite:///{file}",
                "run_admin_server": False,
                "log_level": "ERROR",
            }
        )
        DBOS.launch()
        try:
            expect(await chain(1), 1)
            await obey({"name": f"DBOS {version('dbos')}", "pragmas": seen}, {"chain": in_turn, "many": at_once})
        finally:
            DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
