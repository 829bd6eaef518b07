"""How long calls wait: for the first task of a run at its worker, and beside a chain of 5,000 nodes that runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from bench.documents import Document, asking, chain, pausing, rounds
from bench.report import Section
from bench.rest import Place, place
from bench.travel import Taken, fork, timed
from tests.e2e.processes import Told, free_port

LONG = 5000
ITEMS = 3000
FIRST_MS, CALL_MS, CANCEL_MS = 5.0, 50.0, 200.0


async def beside(quick: bool) -> list[Section]:
    """What a client notices of the work that a server does meanwhile."""
    times = 20 if quick else 100
    loop = pausing(rounds())
    async with place(asking(1), chain(LONG), loop, sending(), chain(2000)) as found:
        return [
            await _first_task(found, times),
            await _calls(found, loop["id"], times),
            await _large(found, times // 4),
        ]


# ---- the first task


@asynccontextmanager
async def _noting() -> AsyncIterator[tuple[str, list[float]]]:
    """A worker in this process, and when it was asked."""
    asked: list[float] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(time.perf_counter())
        await request.read()
        return web.json_response({"output": 1})

    app = web.Application()
    app.add_routes([web.post("/answer", answer)])
    runner, port = web.AppRunner(app, access_log=None), free_port()
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{port}/answer", asked
    finally:
        await runner.cleanup()


async def _first_task(found: Place, times: int) -> Section:
    taken, answered = Taken(), Taken()
    async with _noting() as (url, asked):
        await found.client.ask("PATCH", "/workers/bench", {"url": url})
        for count in range(times + 3):
            begun = time.perf_counter()
            await found.client.start("asking-1", wait=10)
            if count >= 3:
                taken.ms.append(1000 * (asked[-1] - begun))
                answered.ms.append(1000 * (time.perf_counter() - begun))
    await found.client.ask("PATCH", "/workers/bench", {"url": f"{found.worker}/answer"})
    figures = [
        taken.figure("from the request to the worker", FIRST_MS),
        answered.figure("… to the run's end, with ?wait", None),
    ]
    return Section("the first task of a run", figures)


# ---- beside a chain


async def _calls(found: Place, loop: str, times: int) -> Section:
    """Calls in turn while chains run one after the other; cancels are those of the chains."""
    rested = (await found.client.start(loop, wait=60, input={"count": 500}))["id"]
    taken: dict[str, Taken] = {}
    cancels, beside, done = Taken(), asyncio.Event(), False

    async def run_chains() -> None:
        while not done:
            run = (await found.client.start(f"chain-{LONG}"))["id"]
            running.append(run)
            beside.set()
            await asyncio.sleep(0.5)
            with suppress(Told):
                cancels.ms.append((await timed(found, "POST", f"/runs/{run}/cancel"))[0])

    running: list[str] = []
    chains = asyncio.create_task(run_chains())
    await beside.wait()
    for _ in range(times):
        for name, path in (
            ("GET the chain's run", f"/runs/{running[-1]}"),
            ("GET another run", f"/runs/{rested}"),
            ("list runs", "/runs?limit=50"),
            ("checkpoints of the chain", f"/runs/{running[-1]}/checkpoints?limit=50"),
            ("the state of another run", f"/runs/{rested}/checkpoints/{rested}.400/state"),
            ("diff of another run", f"/diff?from={rested}.300&to={rested}.400"),
        ):
            took, _ = await timed(found, "GET", path)
            taken.setdefault(name, Taken()).ms.append(took)
        taken.setdefault("fork of another run", Taken()).ms.append(await fork(found, f"{rested}.401", pause=True))
    done = True
    await chains
    section = Section(f"calls beside a running chain of {LONG:,} nodes")
    section.figures += [one.slow_figure(name, CALL_MS) for name, one in taken.items()]
    section.figures.append(cancels.slow_figure("cancel of the chain", CANCEL_MS))
    return section


# ---- large things


def sending() -> Document:
    """A send of so many items."""
    return {
        "id": "sending",
        "state_schema": {
            "items": {"type": "array"},
            "n": {"type": "integer", "reducer": "add"},
            "send_results": {"type": "array"},
        },
        "nodes": {
            "send": {"type": "send", "items_key": "items", "target_node": "each"},
            "each": {"type": "transform", "updates": {"n": 1}},
        },
        "edges": [["__start__", "send"], ["send", "__end__"]],
        "config": {"max_tasks": 2 * ITEMS},
    }


async def _large(found: Place, times: int) -> Section:
    """Large answers and documents, and how long other calls wait beside them."""
    run = await found.client.start("sending", wait=60, input={"items": list(range(ITEMS))})
    tasks = await _with_pings(found, times, "GET", f"/runs/{run['id']}/tasks?limit=1000")
    saved = await _with_pings(found, times, "PUT", "/workflows/chain-2000", chain(2000))
    return Section(
        "large answers and documents",
        [
            tasks[0].figure(f"1,000 tasks of a send of {ITEMS:,}", None),
            tasks[1].slow_figure("… other calls meanwhile", CALL_MS),
            saved[0].figure("a document of 2,000 nodes, saved", None),
            saved[1].slow_figure("… other calls meanwhile", CALL_MS),
        ],
    )


async def _with_pings(found: Place, times: int, method: str, path: str, body: Any = None) -> tuple[Taken, Taken]:
    """A call several times, and small calls beside it."""
    taken, pings = Taken(), Taken()
    for _ in range(times):
        call = asyncio.create_task(timed(found, method, path, body))
        while not call.done():
            pings.ms.append((await timed(found, "GET", "/health"))[0])
        taken.ms.append((await call)[0])
    return taken, pings
