"""Where the time of a step goes: the real engine on a file, in this process, with its functions timed by phase."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from api.schemas_workers import NewWorker
from api.settings import Settings
from api.wiring import Wired, running
from bench.documents import Document, asking, chain
from bench.report import Section, number
from bench.stopwatch import Stopwatch
from dispatch import _deliveries, _outbox, webhook
from dispatch._http import Http
from engine import answers
from engine.driver import StartRequest, delivery, loop, turn
from engine.history import History
from store import _writer
from store._handover import Handover
from tests.e2e.processes import working

LENGTH = 100
WAIT_S = 60.0

PLANNING = (
    (loop, "step", "plan"),
    (History, "view", "view"),
    (turn.Turn, "take", "take up"),
    (turn, "encode", "encode"),
    (turn.Turn, "_row", "row"),
    (turn.Turn, "seal", "heads"),
    (loop.Loop, "_plan_some", "loop"),
    (_writer, "write", "statements"),
)
ASKING = (
    (delivery.Delivery, "_work", "request"),
    (_outbox.WorkerOutbox, "submit", "outbox"),
    (_outbox.WorkerOutbox, "release", "outbox"),
    (_outbox.WorkerOutbox, "_settle", "outbox"),
    (_deliveries, "sealed", "envelope"),
    (webhook.Webhook, "_headers", "sign"),
    (answers, "answered", "answer"),
    (turn.Turn, "note", "events"),
)
ABOUT = {
    "plan": "decide: enter the node, reduce, follow the edges",
    "view": "what the task sees",
    "take up": "bring the run in memory up to the commit",
    "encode": "the commit as JSON",
    "row": "the row, a snapshot where one is due",
    "heads": "the rows of the runs, once a batch",
    "loop": "turns of the planner",
    "statements": "rows into SQLite, without COMMIT",
    "COMMIT": "durable: write-ahead log and fdatasync, once a batch",
    "request": "what the worker is asked, as work",
    "outbox": "choose a worker, keep its slots",
    "envelope": "the body of the request",
    "sign": "headers and signature",
    "answer": "what the answer makes of the task",
    "events": "the dispatch, noted",
    "round trip": "HTTP to the worker and back, with what goes on meanwhile",
}


@asynccontextmanager
async def engine() -> AsyncIterator[Wired]:
    """All of a server but its socket, on a new file."""
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as folder:
        settings = Settings(db=f"sqlite:///{Path(folder, 'bench.db')}", log_level="warning")
        async with running(settings, "http://127.0.0.1:1") as wired:
            yield wired


async def run_once(wired: Wired, workflow_id: str) -> None:
    run_id = await wired.engine.start_run(StartRequest(workflow_id=workflow_id, version=1))
    await wired.engine.wait(run_id, WAIT_S)


async def prepared(wired: Wired, document: Document) -> str:
    """The workflow saved, and run a few times so that everything is warm."""
    await wired.workflows.create(document)
    for _ in range(3):
        await run_once(wired, document["id"])
    return str(document["id"])


async def measure(quick: bool) -> list[Section]:
    runs = 20 if quick else 100
    async with engine() as wired:
        name = await prepared(wired, chain(LENGTH))
        plain = await wall(wired, name, runs)
        steps = await phases(wired, name, runs, PLANNING, "a step of a chain of transforms", plain)
        counted = await statements(wired, name)
    with tempfile.TemporaryDirectory(prefix="clew-bench-") as folder:
        async with working("bench.worker", Path(folder)) as url, engine() as wired:
            given = {"id": "w", "url": f"{url}/answer", "protocol": "webhook", "tags": ["bench"], "max_concurrent": 64}
            await wired.workers.register(NewWorker.model_validate(given))
            name = await prepared(wired, asking(LENGTH))
            plain = await wall(wired, name, runs // 4)
            tasks = await phases(
                wired, name, runs // 4, PLANNING + ASKING, "a task of a webhook worker, one run", plain
            )
    return [steps, counted, tasks]


async def wall(wired: Wired, name: str, runs: int) -> float:
    """Seconds for each step, with nothing timed inside."""
    begun = time.perf_counter()
    for _ in range(runs):
        await run_once(wired, name)
    return (time.perf_counter() - begun) / runs / LENGTH


async def phases(wired: Wired, name: str, runs: int, wrapped: Any, title: str, plain_s: float) -> Section:
    """Microseconds for each step by phase. What is left over is the event loop, and the cost of the timing."""
    watch = Stopwatch()
    with watch.running():
        for owner, function, phase in wrapped:
            watch.wrap(owner, function, phase)
        watch.wrap_wait(Handover, "run", "COMMIT")
        if wrapped is not PLANNING:
            watch.wrap_wait(Http, "post", "round trip")
        took = await wall(wired, name, runs)
    steps = runs * LENGTH
    section = Section(f"budget of {title}", columns=("phase", "µs", "calls a step", "what it is"))
    for phase, seconds in sorted(watch.seconds.items(), key=lambda item: -item[1]):
        calls = number(watch.calls[phase] / steps)
        section.rows.append((phase, number(1e6 * seconds / steps), calls, ABOUT[phase]))
    rest = took - sum(watch.seconds.values()) / steps
    if rest > 0:  # else waits overlap: with the disk, with a worker
        section.rows.append(("rest", number(1e6 * rest), "", "the event loop, and what the timing itself costs"))
    section.rows.append(("all, timed", number(1e6 * took), "1", ""))
    section.rows.append(("all, not timed", number(1e6 * plain_s), "1", f"{1 / plain_s:,.0f} a second"))
    return section


async def statements(wired: Wired, name: str) -> Section:
    """How many statements SQLite is given, for each step and each transaction."""
    seen: Counter[str] = Counter()
    connection = wired.store._writer.connection  # type: ignore[attr-defined]
    connection.set_trace_callback(lambda text: seen.update([" ".join(text.split()[:3])[:40]]))
    try:
        await run_once(wired, name)
    finally:
        connection.set_trace_callback(None)
    batches = seen["BEGIN IMMEDIATE"]
    section = Section(
        f"statements of a run of {LENGTH} steps", columns=("statement", "times", "a step", "a transaction")
    )
    for text, times in seen.most_common():
        section.rows.append((text, str(times), number(times / LENGTH), number(times / batches)))
    total = seen.total()
    section.rows.append(("all", str(total), number(total / LENGTH), number(total / batches)))
    return section


if __name__ == "__main__":
    asyncio.run(measure(quick=True))
