"""Kills a working server again and again, and proves that nothing is lost or done twice: `python -m tests.e2e.kills`.

A server works on a file, with a worker of its own process that counts, and users who start runs, follow and answer
them, edit, fork and replay them. It is killed with SIGKILL and started again; most kills meet an open transaction, seen
from outside: the process is stopped, the kernel is asked whether it holds SQLite's write lock, and it is killed where
it stands. After each kill what is on the disk is compared with what the worker was asked and what users were told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.e2e.evidence import Asked, Durable, check_all, read_copy
from tests.e2e.followers import Users
from tests.e2e.processes import Client, Server, client_of, working
from tests.e2e.shapes import SHAPES

PAUSE_S = (0.0, 1.0)
"""For how long a server works before it is killed."""
ANYWHERE = 5
"""Every so many kills one comes wherever the server stands; the others wait for an open transaction."""
LOOKS, LOOK_S = 500, 0.003
FINISH_S = 120.0
SHOWN = 20
INSIDE = {
    "id": "inside",
    "protocol": "local",
    "url": "tests.e2e.counting_worker:inside",
    "tags": ["inside"],
    "max_concurrent": 8,
}
"""A worker in the server's own process."""


@dataclass
class Outcome:
    """What came of it; `faults` is empty when every rule was kept."""

    seed: int
    kills: int = 0
    in_transaction: int = 0
    at_work: int = 0
    runs: int = 0
    runs_at_once: int = 0
    forks: int = 0
    replays: int = 0
    edits: int = 0
    commits: int = 0
    asked: int = 0
    asked_again: int = 0
    in_flight_at_kills: int = 0
    callbacks: int = 0
    restart_ms: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class Prover:
    """One proof: a server in a folder, its worker, its users."""

    def __init__(self, server: Server, client: Client, worker: str, outcome: Outcome) -> None:
        self.server, self.client, self.worker, self.outcome = server, client, worker, outcome
        self.users = Users(client)
        self.asked, self.before, self.in_flight = Asked(), Durable(), set[str]()
        self.restarts: list[float] = []

    async def prove(self, kills: int, at_once: int) -> None:
        """Kill and restart while users work, then let everything end and look at all of it."""
        await self.server.start()
        await self.client.register("counter", self.worker, ["count"], max_concurrent=64)
        await self.client.ask("POST", "/workers", INSIDE)
        for shape in SHAPES.values():
            await self.client.save(shape.document)
        self.users.up.set()
        async with asyncio.TaskGroup() as users:
            for _ in range(at_once):
                users.create_task(self.users.one())
            for _ in range(kills):
                await self.kill()
                self.restarts.append(await self.server.start())
                self.users.up.set()
            self.users.ending.set()
        await self.finish()
        await self.users.listen_again()
        await self.server.stop()
        await self.compare()
        self.outcome.runs, faults = await check_all(self.server.db, self.users.edits)
        self.outcome.faults += faults
        self.sum_up()

    async def kill(self) -> None:
        """Kill the server at a random moment, most times while a transaction is open, and look at what is left."""
        await asyncio.sleep(random.uniform(*PAUSE_S))
        wanted = self.outcome.kills % ANYWHERE != ANYWHERE - 1
        for _ in range(LOOKS):
            self.server.halt()
            if not wanted or self.server.in_transaction():
                break
            self.server.go_on()
            await asyncio.sleep(random.uniform(0, LOOK_S))
        self.outcome.in_transaction += self.server.in_transaction()
        self.users.up.clear()
        self.server.kill()
        self.outcome.kills += 1
        durable = await self.compare()
        self.outcome.at_work += durable.active > 0
        self.outcome.runs_at_once = max(self.outcome.runs_at_once, durable.active)
        self.outcome.in_flight_at_kills += len(self.in_flight)

    async def compare(self) -> Durable:
        """Compare what is on the disk of a dead server with what the worker and the users have seen of it."""
        durable = read_copy(self.server.db, self.server.db.parent)
        faults = self.asked.take(await self.entries(), self.before, self.in_flight)
        faults += self.asked.lost(durable)
        for run_id, seq in self.users.shown.items():
            if seq > durable.commits.get(run_id, 0):
                faults.append(f"commit {seq} of {run_id} was shown; on the disk are {durable.commits.get(run_id, 0)}")
        self.before, self.in_flight = durable, self.asked.in_flight(durable)
        self.outcome.faults += faults
        return durable

    async def entries(self) -> list[dict[str, Any]]:
        """What the worker has noted since, once it has read all that a dead server sent."""
        found: list[dict[str, Any]] = []
        while True:
            after = len(self.asked.log) + len(found)
            async with self.client.session.get(f"{self.worker}/log?after={after}") as response:
                more = (await response.json())["log"]
            if not more:
                return found
            found += more
            await asyncio.sleep(0.02)

    async def finish(self) -> None:
        """Wait for the runs that nobody follows, and for the last callbacks."""
        until = time.monotonic() + FINISH_S
        while time.monotonic() < until:
            page = await self.client.ask("GET", "/runs", status="running,queued", limit=1)
            async with self.client.session.get(f"{self.worker}/log?after=999999999") as response:
                waiting = (await response.json())["waiting"]
            if not page["items"] and not waiting:
                return
            await asyncio.sleep(0.05)
        self.outcome.faults.append(f"after {FINISH_S:.0f} s there is still work under way")

    def sum_up(self) -> None:
        found, log = self.outcome, self.asked.log
        found.faults += self.users.faults
        acts = self.users.acts
        found.forks, found.replays = acts["fork"] + acts["fork at the end"], acts["replay"]
        found.edits = sum(least for least, _ in self.users.edits.values())
        found.faults += [
            f"asked for though its answer was there to be reused: {what}" for what in self.asked.of(self.users.reused)
        ]
        if found.runs != len(self.users.shown):
            found.faults.append(f"{len(self.users.shown)} runs were asked for, and {found.runs} were made")
        found.commits = sum(self.before.commits.values())
        found.asked = sum(entry["kind"] == "asked" for entry in log)
        found.callbacks = sum(entry["kind"] == "acknowledged" for entry in log)
        found.asked_again = self.asked.repeated
        found.restart_ms = round(1000 * median(self.restarts)) if self.restarts else 0
        if found.in_transaction * 2 < found.kills:
            found.faults.append(f"only {found.in_transaction} of {found.kills} kills met an open transaction")
        if found.at_work < found.kills:
            found.faults.append(f"{found.kills - found.at_work} kills met no run under way")
        if found.asked_again > found.in_flight_at_kills:
            found.faults.append(f"{found.asked_again} repeats, but {found.in_flight_at_kills} were in flight at kills")


async def prove(kills: int, at_once: int, seed: int, kept: Path | None = None) -> Outcome:
    """Kill a server so many times under so many runs at once; `kept` is a folder for its database and log."""
    random.seed(seed)
    outcome, begun = Outcome(seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clew-kills-") as name:
        folder = kept or Path(name)
        async with working("tests.e2e.counting_worker", folder) as worker:
            server = Server(folder, env={"CLEW_LOCAL_WORKERS": "1"})
            try:
                async with client_of(server.url) as client:
                    await Prover(server, client, worker, outcome).prove(kills, at_once)
            finally:
                server.kill()
    outcome.seconds = round(time.monotonic() - begun, 1)
    return outcome


def show(outcome: Outcome) -> None:
    """Print the figures and what went wrong."""
    table = Table("", "", title="kill -9", show_header=False)
    for name, value in asdict(outcome).items():
        if name != "faults":
            table.add_row(name.replace("_", " "), f"{value:,}")
    console = Console(highlight=False)
    console.print(table)
    for fault in outcome.faults[:SHOWN]:
        console.print(f"✗ {fault}", markup=False, style="red", soft_wrap=True)
    if len(outcome.faults) > SHOWN:
        console.print(f"… and {len(outcome.faults) - SHOWN} more")
    console.print("not proven" if outcome.faults else "every rule was kept", style="red" if outcome.faults else "green")


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--runs", type=int, default=50, help="how many are under way at once")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="of the moments and the workflows")
    parser.add_argument("--keep", type=Path, help="an empty folder for the database and the log")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    outcome = asyncio.run(prove(given.kills, given.runs, given.seed, given.keep))
    if given.json:
        print(json.dumps(asdict(outcome)))
    else:
        show(outcome)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
