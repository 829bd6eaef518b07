"""Clew beside others on this machine: the same chains with the same state, in turns, one process each.

Each rival has an environment of its own, made from a file with the versions of all that it needs (`bench/rivals/`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.report import Figure, Section, number
from bench.rivals.lines import AT_ONCE, ITEMS, LENGTH, SHORT
from tests.e2e.processes import ROOT, working
from tests.environments import CACHE, Missing, environment

ANSWER_S = 600.0
RIVALS = ("langgraph", "dbos")
CLEW = "clew"
OURS = 4
"""So many times Clew does the same in its turn: once would be over too soon to be measured well."""
WORKS: Mapping[str, tuple[str, int, Mapping[str, int]]] = {
    "chain": (f"chains of {LENGTH} steps, one after the other", 10 * LENGTH, {"runs": 10}),
    "many": (f"{AT_ONCE} chains of {SHORT} steps at once", AT_ONCE * SHORT, {}),
    "send": (f"{ITEMS:,} items in parallel", ITEMS, {}),
}
"""What is done: its name, the steps that it takes, and what it is given."""
TARGETS = {
    ("chain", "langgraph"): 5.0,
    ("chain", "dbos"): 5.0,
    ("many", "langgraph"): 8.0,
    ("many", "dbos"): 8.0,
    ("send", "langgraph"): 1.0,
}


@dataclass
class Side:
    """A process that is measured, and what it took each time."""

    about: Mapping[str, Any]
    process: asyncio.subprocess.Process
    took: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)

    async def do(self, work: str, given: Mapping[str, int], times: int) -> None:
        """Have the process do some work so many times, and note the seconds that it takes, and those of its processor
        time, for one of them."""
        assert self.process.stdin is not None
        found = []
        for _ in range(times):
            self.process.stdin.write(json.dumps({"do": work, **given}).encode() + b"\n")
            found.append(await _said(self.process))
        self.took.setdefault(work, []).append(fmean(one["seconds"] for one in found))
        self.cpu.setdefault(work, []).append(fmean(one["cpu_s"] for one in found))


async def _said(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(ANSWER_S):
        line = await process.stdout.readline()
    if not line:
        raise RuntimeError(f"a process that was measured has ended with {await process.wait()}")
    found: dict[str, Any] = json.loads(line)
    return found


def environment_of(rival: str) -> Path:
    """The Python of a rival's environment. Raises Missing."""
    return environment(ROOT / "bench" / "rivals" / f"{rival}.txt", CACHE / "bench")


@asynccontextmanager
async def side(python: Path, module: str, output: Path, env: Mapping[str, str]) -> AsyncIterator[Side]:
    """A process of a module, once it is ready; ended in the end."""
    given = {name: text for name, text in os.environ.items() if not name.startswith(("CLEW_", "PYTHON", "VIRTUAL_ENV"))}
    with output.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            str(python), "-m", module, stdin=PIPE, stdout=PIPE, stderr=errors, cwd=ROOT, env={**given, **env}
        )
    try:
        try:
            about = await _said(process)
        except RuntimeError as error:
            raise RuntimeError(f"{module}: {output.read_text(errors='replace')[-2000:]}") from error
        yield Side(about, process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def against(quick: bool) -> list[Section]:
    """Chains, chains at once, and a fan-out, each side in turn."""
    times = 2 if quick else 5
    skipped: dict[str, str] = {}
    async with AsyncExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="clew-bench-")))
        worker = await ends.enter_async_context(working("bench.worker", folder))
        env = {"CLEW_BENCH_WORKER": f"{worker}/answer", "LANGSMITH_TRACING": "false"}
        clew = side(Path(sys.executable), "bench.rivals.on_clew", folder / "clew.log", env)
        sides = {CLEW: await ends.enter_async_context(clew)}
        for rival in RIVALS:
            try:
                python = await asyncio.to_thread(environment_of, rival)
            except Missing as why:
                skipped[rival] = str(why)
                continue
            found = side(python, f"bench.rivals.on_{rival}", folder / f"{rival}.log", env)
            sides[rival] = await ends.enter_async_context(found)
        for _ in range(times + 1):  # the first time, which does not count, warms everything up
            for work, (_, _, given) in WORKS.items():
                for name, one in sides.items():
                    if (work, name) in TARGETS or name == CLEW:
                        await one.do(work, given, OURS if name == CLEW else 1)
    return [_sides(sides, skipped), *(_section(work, sides) for work in WORKS)]


def _sides(sides: Mapping[str, Side], skipped: Mapping[str, str]) -> Section:
    rows = [
        (found.about["name"], ", ".join(f"{pragma}={value}" for pragma, value in found.about["pragmas"].items()))
        for found in sides.values()
    ]
    rows += [(name, f"skipped: {why}") for name, why in skipped.items()]
    return Section(
        "sides, each in one process; the file is in the same folder", columns=("", "SQLite"), rows=list(rows)
    )


def _section(work: str, sides: Mapping[str, Side]) -> Section:
    title, steps, _ = WORKS[work]
    section = Section(f"against others: {title}")
    clew = sides[CLEW]
    for name, found in sides.items():
        if work in found.took:
            cpu = f"{1e6 * median(found.cpu[work][1:]) / steps:,.0f} µs of CPU each"
            note = f"{cpu}; each asks a worker over HTTP" if (work, name) == ("send", CLEW) else cpu
            label, rate = found.about["name"], steps / median(found.took[work][1:])
            section.figures.append(Figure(name=label, value=rate, unit="steps/s", note=note))
            if name != CLEW:
                ratios, target = _ratios(found.took[work], clew.took[work]), TARGETS[work, name]
                note = f"{number(min(ratios))} to {number(max(ratios))}"
                note += f"; CPU alone: {number(median(_ratios(found.cpu[work], clew.cpu[work])))}"
                figure = Figure(name=f"… Clew over {label}", value=median(ratios), unit="×", least=target, note=note)
                section.figures.append(figure)
    return section


def _ratios(theirs: list[float], ours: list[float]) -> list[float]:
    return [a / b for a, b in zip(theirs[1:], ours[1:], strict=True)]
