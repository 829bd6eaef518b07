"""A worker that squares numbers, for `tests.e2e.faults`: written with the kit, run over any transport."""

from __future__ import annotations

import asyncio
import random

from clew.worker import Task, Worker

SLOW_S = 0.05
worker = Worker(tags=["square"])


@worker.task("square")
async def square(task: Task) -> int:
    """The square of the item, after a moment in which anything may happen."""
    await task.progress(stage="squaring", progress=0.5)
    await asyncio.sleep(random.uniform(0, SLOW_S))
    return int(task.item) ** 2
