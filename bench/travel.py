"""Time travel on a run of 5,000 steps: forks, differences, who wrote what, and checkpoints listed with their states."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from statistics import median
from typing import Any

from api.schemas import Fork
from api.wiring import Wired
from bench.budget import WAIT_S, engine
from bench.documents import Document, chain, rounds, said_by_transform
from bench.report import Figure, Section
from engine.codec import write
from engine.driver import StartRequest
from engine.errors import Conflict
from engine.model import RunId
from engine.render import checkpoint_id

STEPS = 5000
LISTED = 500
FORK_MS, READ_MS, LIST_MS = 5, 50, 300

Work = Callable[[], Awaitable[Any]]
After = Callable[[Any], Awaitable[object]]


async def travel(quick: bool) -> list[Section]:
    """A run that counts, one that holds a conversation of 2,500 KB, and a chain."""
    times = 3 if quick else 9
    async with engine() as wired:
        counted = await _long(wired, rounds(), "n", times)
        said = await _long(wired, said_by_transform("append"), "messages", times)
        talked = await _long(wired, said_by_transform("add_messages"), "messages", times)
        return [counted, said, talked, Section("checkpoints of a chain", [await _listed(wired, times)])]


async def _run(wired: Wired, document: Document, **given: object) -> str:
    await wired.workflows.create(document)
    run_id = await wired.engine.start_run(StartRequest(workflow_id=document["id"], version=1, input=given))
    await wired.engine.wait(run_id, WAIT_S)
    return run_id


async def _stopped(wired: Wired, run_id: RunId) -> None:
    """A fork that goes on would be measured with what comes next; one near the end is over already."""
    with suppress(Conflict):
        await wired.engine.cancel(run_id)


async def _long(wired: Wired, document: Document, key: str, times: int) -> Section:
    """What is asked of one long run, at its beginning, in its middle and at its end."""
    run_id = await _run(wired, document, count=STEPS // 2)
    found = Section(f"time travel on {STEPS:,} steps: {document['id']}")
    stopped = partial(_stopped, wired)
    for seq in (2, STEPS // 2 - 1, STEPS - 1):
        fork = partial(wired.runs.fork, Fork(checkpoint_id=checkpoint_id(run_id, seq)))
        found.figures.append(await _figure(f"fork at checkpoint {seq:,}", fork, FORK_MS, times, stopped))
    last = checkpoint_id(run_id, STEPS - 1)
    for name, seq in (("diff over 100 steps", STEPS - 101), ("diff over all steps", 2)):
        diff = partial(wired.comparison.diff, checkpoint_id(run_id, seq), last)
        found.figures.append(await _figure(name, diff, READ_MS, times))
    for path in (key, f"{key}[1200]" if key == "messages" else "count"):
        blame = partial(wired.blame.of, run_id, path=path, checkpoint=None, limit=50, cursor=None)
        found.figures.append(await _figure(f"blame of {path}", blame, READ_MS, times))
    return found


async def _listed(wired: Wired, times: int) -> Figure:
    run_id = await _run(wired, chain(LISTED))

    async def listed() -> list[object]:
        asked = wired.reader.checkpoints(run_id, node=None, branch=None, state=True, limit=LISTED, cursor=None)
        return [one async for one in asked]

    return await _figure(f"{LISTED} checkpoints with state", listed, LIST_MS, times)


async def _figure(name: str, work: Work, most: float, times: int, after: After | None = None) -> Figure:
    """Milliseconds until the answer is there as JSON; the first time, which does not count, warms everything up. What
    comes `after` it does not count either."""
    took, used = [], []
    for _ in range(times + 1):
        begun, cpu = time.perf_counter(), time.process_time()
        answer = await work()
        write(answer)
        took.append(1000 * (time.perf_counter() - begun))
        used.append(1000 * (time.process_time() - cpu))
        if after is not None:
            await after(answer)
    note = f"slowest {max(took[1:]):.1f}; processor {median(used[1:]):.1f}"
    return Figure(name=name, value=median(took[1:]), unit="ms", most=most, note=note)
