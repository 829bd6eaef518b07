"""Time travel on runs of 5,000 steps, over HTTP: forks, differences, who wrote what, checkpoints with their states.

A fork is given a config with which it pauses in the next round, so that nothing of it is measured with what comes
next; forks that go on are measured apart. A cold server was just started: nothing of the run is in its memory.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from statistics import median
from typing import Any

from bench.documents import Document, chain, pausing, rounds, said_by_transform
from bench.report import Figure, Section
from bench.rest import Place, place
from tests.e2e.processes import Told

STEPS = 5000
LISTED = 500
FORK_MS, READ_MS, LIST_MS = 5.0, 50.0, 300.0


@dataclass
class Taken:
    """Milliseconds that calls took, from the request to the last byte of the answer."""

    ms: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        """The time within which this share of the calls was answered."""
        return sorted(self.ms)[min(int(share * len(self.ms)), len(self.ms) - 1)]

    def figure(self, name: str, most: float | None, note: str = "") -> Figure:
        """The median, with the slow ones in the note."""
        slow = f"p99 {self.at(0.99):.1f}, slowest {max(self.ms):.1f} of {len(self.ms)}"
        return Figure(name=name, value=median(self.ms), unit="ms", most=most, note=f"{slow}{note}")

    def slow_figure(self, name: str, most: float | None) -> Figure:
        """The time within which 99 of 100 calls are answered, with the others in the note."""
        note = f"p50 {self.at(0.5):.1f}, slowest {max(self.ms):.1f} of {len(self.ms)}"
        return Figure(name=f"{name}, p99", value=self.at(0.99), unit="ms", most=most, note=note)


async def timed(found: Place, method: str, path: str, body: Any = None) -> tuple[float, bytes]:
    """Milliseconds that one call takes, and its answer. Raises Told."""
    begun = time.perf_counter()
    async with found.client.session.request(method, found.client.url + path, json=body) as response:
        text = await response.read()
    took = 1000 * (time.perf_counter() - begun)
    if response.status >= 400:
        raise Told(response.status, text[:300])
    return took, text


async def travel(quick: bool) -> list[Section]:
    """A run that counts, two that hold a conversation of 2,500 KB, and a chain."""
    loops = [pausing(one) for one in (rounds(), said_by_transform("append"), said_by_transform("add_messages"))]
    times = 25 if quick else 200
    async with place(*loops, chain(LISTED)) as found:
        runs = {loop["id"]: [await _run(found, loop, count=STEPS // 2) for _ in range(2)] for loop in loops}
        listed = await _run(found, chain(LISTED))
        sections = [await _Long(found, name, some, times).measure() for name, some in runs.items()]
        going = await _going_on(found, runs[loops[0]["id"]][0], times)
        return [*sections, going, await _listed(found, listed, times // 5)]


async def _run(found: Place, document: Document, **given: object) -> str:
    run = await found.client.start(document["id"], wait=120, input=given)
    if run["status"] != "completed":
        raise RuntimeError(f"a run of {document['id']} is {run['status']}: {run['error']}")
    return str(run["id"])


@dataclass
class _Long:
    """What is asked of long runs of one workflow: at random checkpoints, and from one end to the other."""

    place: Place
    name: str
    runs: Sequence[str]
    times: int
    chance: Random = field(default_factory=lambda: Random(1))

    async def measure(self) -> Section:
        found = Section(f"time travel on {STEPS:,} steps: {self.name}")
        found.figures += [await self._cold(), await self._forks()]
        run, other = self.runs
        last = f"{run}.{STEPS - 1}"
        for name, path, times in (
            ("the state at random checkpoints", None, self.times),
            ("diff over 100 steps", f"/diff?from={run}.{STEPS - 101}&to={last}", self.times // 5),
            ("diff over all steps", f"/diff?from={run}.2&to={last}", self.times // 5),
            ("compare with itself, 100 steps earlier", f"/compare?a={run}.{STEPS - 101}&b={last}", self.times // 5),
            ("compare of two runs", f"/compare?a={run}&b={other}", self.times // 5),
            *((f"blame of {path}", f"/runs/{run}/blame?path={path}", self.times // 5) for path in self._paths()),
        ):
            found.figures.append(await self._read(name, path, times))
        return found

    def _paths(self) -> tuple[str, ...]:
        return ("n", "count") if "said" not in self.name else ("messages", f"messages[{STEPS // 4}]")

    def _some(self, times: int) -> list[str]:
        return [f"{self.runs[0]}.{seq}" for seq in self.chance.sample(range(2, STEPS), times)]

    async def _cold(self) -> Figure:
        """The first fork of the run after the server was started; one of another run has loaded the code."""
        taken = Taken()
        for checkpoint in self._some(3):
            await self.place.server.stop()
            await self.place.server.start()
            await self._fork(Taken(), f"{self.runs[1]}.2")
            await self._fork(taken, checkpoint)
        return taken.figure("the first fork after a start", None)

    async def _forks(self) -> Figure:
        taken = Taken()
        for checkpoint in self._some(self.times):
            await self._fork(taken, checkpoint)
        return taken.figure("forks at random checkpoints", FORK_MS)

    async def _fork(self, taken: Taken, checkpoint: str) -> None:
        taken.ms.append(await fork(self.place, checkpoint, pause=True))

    async def _read(self, name: str, path: str | None, times: int) -> Figure:
        paths = [path] * times if path is not None else [self._state(one) for one in self._some(times)]
        taken, size = Taken(), 0
        await timed(self.place, "GET", paths[0])
        for one in paths:
            took, text = await timed(self.place, "GET", one)
            taken.ms.append(took)
            size = max(size, len(text))
        return taken.figure(name, READ_MS, f"; {size / 1000:,.0f} KB")

    @staticmethod
    def _state(checkpoint: str) -> str:
        return f"/runs/{checkpoint.rpartition('.')[0]}/checkpoints/{checkpoint}/state"


async def fork(found: Place, checkpoint: str, **config: object) -> float:
    """Milliseconds that a fork takes; then it is cancelled."""
    took, text = await timed(found, "POST", "/runs/fork", {"checkpoint_id": checkpoint, "config": config})
    name = text.split(b'"id":"', 1)[1].split(b'"', 1)[0].decode()
    with suppress(Told):  # one near the end is over already
        await found.client.ask("POST", f"/runs/{name}/cancel")
    return took


async def _going_on(found: Place, run: str, times: int) -> Section:
    """Forks that have thousands of steps to go, and take them while they are answered."""
    taken = Taken([await fork(found, f"{run}.{seq}") for seq in Random(2).sample(range(2, STEPS // 2), times)])
    bare = Taken([(await timed(found, "GET", "/health"))[0] for _ in range(times)])
    figures = [taken.figure("forks that go on at once", FORK_MS), bare.figure("a call that does nothing", None)]
    return Section(f"forks of {STEPS:,} steps that go on", figures)


async def _listed(found: Place, run: str, times: int) -> Section:
    path = f"/runs/{run}/checkpoints?state=true&limit={LISTED}"
    taken = Taken([(await timed(found, "GET", path))[0] for _ in range(times + 1)][1:])
    return Section("checkpoints of a chain", [taken.figure(f"{LISTED} checkpoints with state", LIST_MS)])
