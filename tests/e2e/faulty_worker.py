"""A worker that squares numbers, for `tests.e2e.faults`: written with the kit, run over any transport."""

from __future__ import annotations

import asyncio
import random

from clew.worker import Answer, Task, Worker

SLOW_S = (0.1, 0.5)
worker = Worker("squarer", max_concurrent=8)


@worker.task("square")
async def square(task: Task) -> Answer:
    """The square of the item, after a moment in which anything may happen."""
    task.progress("squaring", 0.5)
    await asyncio.sleep(random.uniform(*SLOW_S))
    found = int(task.item) ** 2
    return Answer(output=found, updates={"applied": [found]})
