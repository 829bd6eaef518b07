"""Breaks what lies between a server and its workers, and proves that nothing is lost or applied twice:
`python -m tests.e2e.faults`.

Over each transport a real worker process squares numbers, for runs that send it some at a time. Meanwhile the worker,
the server or the broker is killed, stopped for a while or started again, and connections are cut or hang half-open. In
the end every run has all squares, in order and once, and `verify` finds nothing wrong with any of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from engine.parse import load
from engine.validate import Limits
from engine.verify import verify_run
from store.sql import SqliteStore
from tests.e2e.processes import ROOT, Client, Program, Server, Told, client_of, free_port
from tests.proxy import Proxy, proxy_to
from tests.servers import Daemon, own_mosquitto, own_redis

ITEMS = 4
TIMEOUT_MS = 3000
HALTED_S, HALF_OPEN_S = (0.2, 1.5), (0.2, 1.0)
TROUBLE_S = (0.05, 0.4)
"""After so long in a batch something breaks: while its tasks are at work, which take about as long."""
FINISH_S = 120.0
DOCUMENT: Mapping[str, Any] = {
    "id": "squares",
    "state_schema": {
        "numbers": {"type": "array"},
        "squares": {"type": "array"},
        "applied": {"type": "array", "reducer": "append"},
    },
    "nodes": {
        "each": {"type": "send", "items_key": "state.numbers", "targets": ["square"], "output_key": "squares"},
        "square": {
            "type": "task",
            "worker_tags": ["square"],
            "timeout_ms": TIMEOUT_MS,
            "retry": {"max_attempts": 100, "initial_interval_ms": 20, "max_interval_ms": 200},
        },
    },
    "edges": [["__start__", "each"], ["each", "__end__"]],
}


@dataclass
class Outcome:
    """What came of it over one transport; `faults` is empty when every rule was kept."""

    transport: str
    runs: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    """How often what was broken."""
    hit: int = 0
    """How many of these found a task at work."""
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


Break = Callable[[], Awaitable[None]]


@dataclass
class Line:
    """A server and a worker with what lies between them; `way` is the proxy that their traffic goes through."""

    transport: str
    server: Server
    worker: Program
    way: Proxy
    broker: Daemon | None = None

    def breaks(self) -> dict[str, Break]:
        """What can be broken, by name; each is mended again before it returns."""
        found: dict[str, Break] = {
            "worker killed": self._kill_worker,
            "worker stopped": self._halt_worker,
            "engine killed": self._kill_server,
            "connections cut": self._cut,
            "half-open": self._half_open,
        }
        if self.broker is not None:
            found |= {"broker killed": self._kill_broker, "broker restarted": self._restart_broker}
        return found

    async def _kill_worker(self) -> None:
        self.worker.kill()
        await self.worker.start()

    async def _halt_worker(self) -> None:
        os.kill(self.worker.pid, signal.SIGSTOP)
        await asyncio.sleep(random.uniform(*HALTED_S))
        os.kill(self.worker.pid, signal.SIGCONT)

    async def _kill_server(self) -> None:
        self.server.kill()
        await self.server.start()

    async def _cut(self) -> None:
        self.way.cut()

    async def _half_open(self) -> None:
        self.way.half_open()
        await asyncio.sleep(random.uniform(*HALF_OPEN_S))
        self.way.half_open(False)
        self.way.cut()

    async def _kill_broker(self) -> None:
        assert self.broker is not None
        self.broker.kill()
        await asyncio.to_thread(self.broker.start)

    async def _restart_broker(self) -> None:
        assert self.broker is not None
        await asyncio.to_thread(self.broker.restart)


# ---- the lines


@asynccontextmanager
async def line_of(transport: str, folder: Path) -> AsyncIterator[Line]:
    """A line over a transport, at work."""
    async with AsyncExitStack() as ends:
        server = Server(folder)
        ends.callback(server.kill)
        await server.start()
        broker = ends.enter_context(BROKERS[transport]()) if transport in BROKERS else None
        listens = free_port()
        behind = {"webhook": listens}.get(transport, server.port if broker is None else broker.port)
        way = await ends.enter_async_context(proxy_to(behind))
        worker = Program(command_of(transport, server, way, listens), folder / "worker.log", ENV)
        ends.callback(worker.kill)
        await worker.start()
        yield Line(transport, server, worker, way, broker)


BROKERS: dict[str, Any] = {"redis_stream": own_redis, "mqtt": own_mosquitto}
ENV = {"PYTHONPATH": str(ROOT / "sdk" / "python")}


def command_of(transport: str, server: Server, way: Proxy, listens: int) -> list[str]:
    """How the worker is started over a transport."""
    command = [sys.executable, "-m", "clew", "worker", "tests/e2e/faulty_worker.py:worker", "--id", "squarer"]
    command += ["--transport", transport, "--max-concurrent", "8"]
    direct, through = server.url, f"http://127.0.0.1:{way.port}"
    match transport:
        case "redis_stream":
            command += ["--url", direct, "--broker", f"redis://127.0.0.1:{way.port}", "--stream", "squares"]
        case "mqtt":
            command += ["--url", direct, "--broker", f"mqtt://127.0.0.1:{way.port}", "--topic", "squares"]
        case "webhook":
            command += ["--url", direct, "--listen", f"127.0.0.1:{listens}", "--address", f"{through}/"]
        case _:
            command += ["--url", through]
    return command


# ---- the proof


class Prover:
    """One proof over one line."""

    def __init__(self, line: Line, client: Client, outcome: Outcome) -> None:
        self.line, self.client, self.outcome = line, client, outcome
        self.runs: dict[str, list[int]] = {}

    async def prove(self, runs: int, batch: int) -> None:
        """Break something under each batch of runs until there were enough, then look at all of them."""
        await self.client.save(DOCUMENT)
        while len(self.runs) < runs:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(batch, runs - len(self.runs))):
                    self.outcome.runs += 1
                    group.create_task(self.one(self.outcome.runs))
                group.create_task(self.trouble())
        for run_id in self.runs:
            await self.end_of(run_id)
        await self.line.server.stop()
        self.outcome.faults += await self.look()
        if self.outcome.hit * 2 < sum(self.outcome.broken.values()):
            self.outcome.faults.append(f"only {self.outcome.hit} times something broke while a task was at work")

    async def trouble(self) -> None:
        """Break one thing, a moment from now."""
        await asyncio.sleep(random.uniform(*TROUBLE_S))
        name, broken = random.choice(list(self.line.breaks().items()))
        page = await self.client.ask("GET", "/runs", status="running", limit=1)
        self.outcome.hit += bool(page["items"])
        self.outcome.broken[name] += 1
        await broken()

    async def one(self, number: int) -> None:
        """Start a run, whatever becomes of the server: the key makes it the same run when it is asked for again."""
        numbers = [number * 10 + place for place in range(ITEMS)]
        while True:
            with suppress(aiohttp.ClientError, Told, TimeoutError):
                run = await self.client.start("squares", key=f"run-{number}", input={"numbers": numbers}, wait=2)
                self.runs[run["id"]] = numbers
                return
            await asyncio.sleep(0.05)

    async def end_of(self, run_id: str) -> None:
        """Wait for the end of a run."""
        until = time.monotonic() + FINISH_S
        while time.monotonic() < until:
            run = await self.client.run(run_id)
            if run["status"] not in ("queued", "running"):
                return
            await asyncio.sleep(0.05)
        waits = [(task["status"], task.get("reason"), task["attempt"]) for task in run["tasks"]]
        self.outcome.faults.append(f"after {FINISH_S:.0f} s {run_id} is {run['status']}: {waits}")

    async def look(self) -> list[str]:
        """What is wrong with any of the runs."""
        store = SqliteStore(self.line.server.db, readonly=True)
        await store.open()
        graph = load(dict(DOCUMENT), "squares", 1, Limits())

        async def graph_of(workflow_id: str, version: int) -> Any:
            return graph

        try:
            faults = []
            for run_id, numbers in self.runs.items():
                report = await verify_run(store, run_id, graph_of)
                faults += [f"{run_id}: {problem}" for problem in report.problems]
                wanted = [number**2 for number in numbers]
                found = [report.state.get(name) for name in ("squares", "applied")]
                if found != [wanted, wanted]:
                    faults.append(f"{run_id}: {found} and not {wanted}")
            return faults
        finally:
            await store.close()


async def prove(transport: str, runs: int, batch: int, seed: int, kept: Path | None = None) -> Outcome:
    """So many runs over a transport, with something broken under each batch of them."""
    random.seed(seed)
    outcome, begun = Outcome(transport), time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"clew-{transport}-") as name:
        async with line_of(transport, kept or Path(name)) as line, client_of(line.server.url) as client:
            await Prover(line, client, outcome).prove(runs, batch)
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


TRANSPORTS = ("webhook", "pull", "websocket", "redis_stream", "mqtt")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="runs over all transports together (default 1000)")
    parser.add_argument("--batch", type=int, default=2, help="runs at a time, for each thing that breaks (default 2)")
    parser.add_argument("--only", action="append", choices=TRANSPORTS, help="one transport; may be given several times")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the chance")
    parser.add_argument("--keep", type=Path, help="a folder for the databases and logs")
    parser.add_argument("--json", action="store_true", help="print one object for each transport")
    asked = parser.parse_args()
    chosen, failed = asked.only or TRANSPORTS, False
    for transport in chosen:
        kept = None if asked.keep is None else asked.keep / transport
        if kept is not None:
            kept.mkdir(parents=True)
        outcome = asyncio.run(prove(transport, -(-asked.runs // len(chosen)), asked.batch, asked.seed, kept))
        _show(outcome, asked.seed, as_json=asked.json)
        failed |= bool(outcome.faults)
    return int(failed)


def _show(outcome: Outcome, seed: int, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**asdict(outcome), "seed": seed}))
        return
    broken = ", ".join(f"{name} {count}" for name, count in sorted(outcome.broken.items()))
    print(f"{outcome.transport}: {outcome.runs} runs in {outcome.seconds:.0f} s; {broken}; {outcome.hit} while at work")
    print(f"  (seed {seed})")
    for fault in outcome.faults[:20]:
        print(f"  {fault}")
    print("  nothing lost, nothing applied twice" if not outcome.faults else f"  {len(outcome.faults)} faults")


if __name__ == "__main__":
    sys.exit(main())
