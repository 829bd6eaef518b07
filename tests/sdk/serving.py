"""Worker processes of the SDK, and workflows that ask them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from clew import Client
from tests.e2e.processes import ROOT, Program, running

APP = "tests/sdk/app.py:worker"
SDK = {"PYTHONPATH": str(ROOT / "sdk" / "python")}


def a_worker(folder: Path, url: str, *arguments: str, app: str = APP, name: str = "worker") -> Program:
    """`clew worker` with the worker of an app, not started yet."""
    command = [sys.executable, "-m", "clew", "worker", app, "--url", url, *arguments]
    return Program(command, folder / f"{name}.log", SDK)


@asynccontextmanager
async def at_work(folder: Path, url: str, *arguments: str, app: str = APP) -> AsyncIterator[Program]:
    """A worker process, as long as the block lasts. It leaves no registration: the next test has another worker."""
    async with running(a_worker(folder, url, *arguments, app=app)) as program:
        yield program
    async with Client(url) as clew:
        async for found in clew.workers.list():
            if found.id in program.command:
                await clew.workers.remove(found.id)


def one_task(tag: str, **node: Any) -> dict[str, Any]:
    """A workflow of one task for workers with a tag."""
    job = {"type": "task", "worker_tags": [tag], "prompt_template": "go on", "output_key": "out", **node}
    return {
        "id": f"one-{tag}-{uuid4().hex[:8]}",
        "state_schema": {"out": {}, "more": {}},
        "nodes": {"job": job},
        "edges": [["__start__", "job"], ["job", "__end__"]],
    }


async def seen(file: Path, words: str, times: int = 1) -> list[str]:
    """The lines of a file, once so many of them begin with these words."""
    async with asyncio.timeout(30):
        while True:
            lines = file.read_text().splitlines() if file.exists() else []
            if sum(line.startswith(words) for line in lines) >= times:
                return lines
            await asyncio.sleep(0.02)
