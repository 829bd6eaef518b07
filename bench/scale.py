"""What grows: long loops, graphs full of joins, graphs in graphs; and thousands of runs that one request deals with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from bench.documents import Document, chain, dividing, ladder, nested, rounds, waiting
from bench.report import Figure, Section
from bench.rest import AT_ONCE, Place, Variants, Work, place

ROUNDS, JOINS, DEEP, INSIDE = 10_000, 1_000, 10, 20
FLAT = 2.0
FAILED, WAITING = 1_000, 5_000
FORKS_A_SECOND, RESUMED_A_SECOND = 200.0, 300.0
PATIENCE_S = 300


async def scale(quick: bool) -> list[Section]:
    """The cost of a step where much is around it, and many runs at once."""
    share = 10 if quick else 1
    return [await _steps(2 if quick else 5), await _forked(FAILED // share), await _resumed(WAITING // share)]


async def _steps(times: int) -> Section:
    """A step of each kind beside one of a plain chain of about as many."""
    plain, joins, frames = chain(2000), ladder(JOINS), nested(DEEP, INSIDE)
    loop = {**rounds(), "config": {"max_steps": 3 * ROUNDS}}
    async with place(plain, joins, frames, loop) as found:

        def run(document: Document, **given: Any) -> Work:
            return lambda: found.run(document["id"], given)

        work = {
            "chain": (2000, run(plain)),
            "joins": (2 * JOINS, run(joins)),
            "frames": (DEEP * (INSIDE + 2), run(frames)),
            "loop": (2 * ROUNDS, run(loop, count=ROUNDS)),
        }
        variants = await Variants(found).take(times, work)
    return Section(
        "the cost of a step",
        [
            variants.figure("chain", "a chain of 2,000 nodes"),
            variants.figure("loop", f"a loop of {ROUNDS:,} rounds"),
            variants.flatness("loop", "chain", FLAT),
            variants.figure("joins", f"a graph of {2 * JOINS:,} nodes, {JOINS:,} of them joins"),
            variants.flatness("joins", "chain", FLAT),
            variants.figure("frames", f"graphs in graphs, {DEEP} deep"),
            variants.flatness("frames", "chain", FLAT),
        ],
    )


async def _forked(count: int) -> Section:
    """Runs that have failed, forked by one job onto the version that is repaired."""
    broken, repaired = dividing("state.n"), dividing("1")
    async with place(broken) as found:
        await _many(found, [("dividing", {"n": 0})] * count)
        await found.client.ask("PUT", "/workflows/dividing", repaired)
        begun = time.perf_counter()
        asked = {"action": "fork", "filter": {"status": ["failed"]}, "workflow_version": 2}
        job = await found.client.ask("POST", "/runs/bulk", asked)
        accepted = time.perf_counter() - begun
        job = await found.client.ask("GET", f"/jobs/{job['id']}", wait=PATIENCE_S)
        took = time.perf_counter() - begun
    if job["done"] != count:
        raise RuntimeError(f"{job['done']} of {count} runs were forked: {job}")
    note = f"the request itself took {1000 * accepted:.0f} ms"
    return Section(
        f"{count:,} failed runs, forked onto a repaired version",
        [Figure(name="runs a second", value=count / took, unit="runs/s", least=FORKS_A_SECOND, note=note)],
    )


async def _resumed(count: int) -> Section:
    """Runs that wait for people, all answered at once."""
    async with place(waiting()) as found:
        runs = await _many(found, [("waiting", {})] * count)
        begun = time.perf_counter()
        await _shared(runs, lambda run: found.client.ask("POST", f"/runs/{run}/resume", {"resume": True}))
        while (await found.client.ask("GET", "/runs", status="interrupted,running", limit=1))["items"]:
            pass
        took = time.perf_counter() - begun
    figure = Figure(name="resumed to their ends", value=count / took, unit="runs/s", least=RESUMED_A_SECOND)
    return Section(f"{count:,} runs that wait, answered by {AT_ONCE} clients", [figure])


async def _many(found: Place, starts: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Runs that were started and are at rest."""

    async def start(one: tuple[str, dict[str, Any]]) -> str:
        name, given = one
        return str((await found.client.start(name, wait=PATIENCE_S, input=given))["id"])

    return await _shared(starts, start)


async def _shared(items: Sequence[Any], work: Any) -> list[Any]:
    """What is done with each item, shared by some clients."""
    todo, done = iter(items), list[Any]()

    async def client() -> None:
        for item in todo:
            done.append(await work(item))

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return done
