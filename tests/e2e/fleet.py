"""A fleet of workers of which a third is killed again and again: `python -m tests.e2e.fleet`.

Two hundred workers in twenty processes take the tasks of two thousand runs. Every ten seconds of a minute a third of
the processes is killed and started again. In the end all runs are complete and right, and no worker has ever held more
than it takes, by what each of them has noted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.fleet_host import AT_ONCE
from tests.e2e.processes import ROOT, Client, Program, client_of, serving

EACH = 10
"""Workers in a process."""
EVERY_S = 10.0
FINISH_S = 240.0
STARTERS = 16
DOCUMENT: Mapping[str, Any] = {
    "id": "fleet",
    "state_schema": {"one": {}, "two": {}},
    "nodes": {
        name: {
            "type": "task",
            "worker_tags": ["fleet"],
            "output_key": name,
            "timeout_ms": 60_000,
            "retry": {"max_attempts": 20, "initial_interval_ms": 50, "max_interval_ms": 500},
        }
        for name in ("one", "two")
    },
    "edges": [["__start__", "one"], ["one", "two"], ["two", "__end__"]],
}


@dataclass
class Outcome:
    """What came of it; `faults` is empty when every rule was kept. `most` is how many tasks a worker held at most."""

    transport: str
    workers: int
    runs: int
    killed: int = 0
    tasks: int = 0
    most: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Host(Program):
    """A process with some of the workers. `ended` are the times at which it was killed."""

    def __init__(self, folder: Path, url: str, transport: str, number: int) -> None:
        self.notes = folder / f"notes-{number}"
        command = [sys.executable, "-m", "tests.e2e.fleet_host", "--url", url, "--transport", transport]
        command += ["--first", str(number * EACH), "--count", str(EACH), "--notes", str(self.notes)]
        super().__init__(command, folder / f"host-{number}.log", {"PYTHONPATH": str(ROOT / "sdk" / "python")})
        self.ended: list[int] = []

    def kill(self) -> None:
        super().kill()
        self.ended.append(time.monotonic_ns())


async def prove(transport: str, workers: int, runs: int, seconds: float, seed: int) -> Outcome:
    """Have a fleet work for so long while some of it is killed."""
    random.seed(seed)
    outcome, begun = Outcome(transport, workers, runs), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clew-fleet-") as name:
        folder = Path(name)
        async with serving(folder) as server, client_of(server.url) as client, AsyncExitStack() as ends:
            hosts = [Host(folder, server.url, transport, number) for number in range(-(-workers // EACH))]
            for host in hosts:
                ends.callback(host.kill)
            await asyncio.gather(*(host.start() for host in hosts))
            await client.save(DOCUMENT)
            async with asyncio.TaskGroup() as group:
                started = group.create_task(_start(client, runs, seconds))
                group.create_task(_kill(hosts, seconds, outcome))
            outcome.faults += await _ends(client, started.result())
            for host in hosts:
                host.kill()
            _count(hosts, outcome)
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


async def _start(client: Client, runs: int, seconds: float) -> list[str]:
    """Start the runs, spread over the time."""
    found: list[str] = []
    begun = time.monotonic()

    async def some(numbers: range) -> None:
        for number in numbers:
            await asyncio.sleep(max(0.0, begun + seconds * number / runs - time.monotonic()))
            found.append((await client.start("fleet"))["id"])

    async with asyncio.TaskGroup() as group:
        for first in range(STARTERS):
            group.create_task(some(range(first, runs, STARTERS)))
    return found


async def _kill(hosts: list[Host], seconds: float, outcome: Outcome) -> None:
    """Kill a third of the processes every ten seconds, and start them again."""
    for _ in range(int(seconds // EVERY_S)):
        await asyncio.sleep(EVERY_S)
        chosen = random.sample(hosts, max(1, len(hosts) // 3))
        for host in chosen:
            host.kill()
        outcome.killed += len(chosen) * EACH
        await asyncio.gather(*(host.start() for host in chosen))


async def _ends(client: Client, runs: list[str]) -> list[str]:
    """What is wrong with the ends of the runs."""
    faults, until = [], time.monotonic() + FINISH_S
    for run_id in runs:
        run = await client.run(run_id)
        while run["status"] in ("queued", "running") and time.monotonic() < until:
            await asyncio.sleep(0.1)
            run = await client.run(run_id)
        if (run["status"], run["state"]) != ("completed", {"one": "one", "two": "two"}):
            waits = [(task["status"], task.get("reason"), task["attempt"]) for task in run["tasks"]]
            faults.append(f"{run_id} is {run['status']} with {run['state']}: {run['error'] or waits}")
    return faults


def _count(hosts: list[Host], outcome: Outcome) -> None:
    """How many tasks each worker held at most: what a process that was killed held, it holds no more."""
    for host in hosts:
        lines = [line.split() for line in host.notes.read_text().splitlines()] if host.notes.exists() else []
        steps = [(int(at), what, name) for at, what, name, _ in lines] + [(at, "killed", "") for at in host.ended]
        holds: Counter[str] = Counter()
        for _, what, name in sorted(steps):
            if what == "killed":
                holds.clear()
                continue
            holds[name] += 1 if what == "begin" else -1
            outcome.tasks += what == "begin"
            outcome.most = max(outcome.most, holds[name])
            if holds[name] > AT_ONCE:
                outcome.faults.append(f"{name} held {holds[name]} tasks and takes {AT_ONCE}")
    if outcome.most < AT_ONCE:
        outcome.faults.append(f"no worker held as many as it takes: {outcome.most} of {AT_ONCE}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.fleet", description=__doc__)
    parser.add_argument("--transport", default="websocket", choices=("websocket", "pull", "webhook"))
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60.0, help="for so long some are killed")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    outcome = asyncio.run(prove(asked.transport, asked.workers, asked.runs, asked.seconds, asked.seed))
    if asked.json:
        print(json.dumps({**asdict(outcome), "seed": asked.seed}))
    else:
        print(
            f"{outcome.runs} runs, {outcome.workers} workers over {outcome.transport}, {outcome.killed} killed: "
            f"{outcome.tasks} tasks begun in {outcome.seconds:.0f} s, at most {outcome.most} at one worker "
            f"(seed {asked.seed})"
        )
        for fault in outcome.faults[:20]:
            print(f"  {fault}")
        print("  all complete, nobody had too much" if not outcome.faults else f"  {len(outcome.faults)} faults")
    return int(bool(outcome.faults))


if __name__ == "__main__":
    sys.exit(main())
