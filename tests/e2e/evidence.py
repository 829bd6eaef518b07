"""What is on the disk after a kill, and what the worker was asked. Copies are read: the server recovers by itself."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.model import RunId
from engine.parse import Limits, load
from engine.verify import verify_run
from store.sql import SqliteStore
from tests.e2e.counting_worker import GOOD_ATTEMPT
from tests.e2e.shapes import SHAPES

DONE = "('node', 'item', 'failure')"


@dataclass
class Durable:
    """What a database holds: finished tasks with their answers, accepted attempts, the attempt that each task has
    come to, and the number of commits and the status of each run."""

    done: dict[str, Any] = field(default_factory=dict)
    accepted: set[tuple[str, int]] = field(default_factory=set)
    attempt: dict[str, int] = field(default_factory=dict)
    commits: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    @property
    def active(self) -> int:
        """How many runs are under way."""
        return sum(status in ("running", "queued") for status in self.status.values())


def read_copy(db: Path, folder: Path) -> Durable:
    """What a database file and its log hold, while nobody has it open."""
    copy = folder / "copy.db"
    for suffix in ("", "-wal"):
        if (part := Path(f"{db}{suffix}")).exists():
            shutil.copyfile(part, f"{copy}{suffix}")
    try:
        return _read(copy)
    finally:
        for part in folder.glob("copy.db*"):
            part.unlink()


def _read(path: Path) -> Durable:
    found = Durable()
    connection = sqlite3.connect(path)
    try:
        for run_id, status, version in connection.execute("SELECT id, status, version FROM runs"):
            found.status[run_id], found.commits[run_id] = status, version
        for task_id, body in connection.execute(f"SELECT task_id, body FROM commits WHERE kind IN {DONE}"):
            found.done[task_id] = orjson.loads(body).get("answer")
        events = "SELECT kind, task_id, body FROM events WHERE kind IN ('accepted', 'retry') ORDER BY run_key, n"
        for kind, task_id, body in connection.execute(events):
            attempt = orjson.loads(body)["attempt"]
            if kind == "accepted":
                found.accepted.add((task_id, attempt))
            else:
                found.attempt[task_id] = attempt
    finally:
        connection.close()
    return found


# ---- the rules


@dataclass
class Asked:
    """The worker's log up to one restart, and the rules that hold between it, the disk, and what is asked later."""

    log: list[dict[str, Any]] = field(default_factory=list)
    seen: set[tuple[str, int]] = field(default_factory=set)
    repeated: int = 0

    def take(self, entries: list[dict[str, Any]], before: Durable, in_flight: set[str]) -> list[str]:
        """Take up what happened from one restart to the next kill; `before` is what was durable at that restart,
        `in_flight` what the worker held then. Returns what breaks a rule."""
        faults, now = [], set[tuple[str, int]]()
        for entry in entries:
            if entry["kind"] == "asked":
                asked = (entry["task"], entry["attempt"])
                what = f"{entry['node']} of {entry['run']}, attempt {entry['attempt']}"
                faults += [f"{why}: {what}" for why in self._wrong(entry, asked, now, before, in_flight)]
                self.repeated += asked in self.seen and asked not in now
                now.add(asked)
        self.seen |= now
        self.log += entries
        return faults

    def _wrong(
        self, entry: dict[str, Any], asked: tuple[str, int], now: set[tuple[str, int]], before: Durable, held: set[str]
    ) -> Iterator[str]:
        task, attempt = asked
        if task in before.done:
            yield "asked for though its answer was durable"
        if attempt < before.attempt.get(task, 1):
            yield "asked for though a later attempt was durable"
        if attempt > (GOOD_ATTEMPT if entry["do"] == "flaky" else 1):
            yield "asked for though no attempt before it had failed"
        if asked in now:
            yield "asked for twice by one server"
        elif asked in self.seen and task not in held:
            yield "asked for again though it was not in flight at the kill"
        if asked in before.accepted:
            yield "asked for again though the worker's 202 was durable"
        if entry["key"] != task:
            yield f"its idempotency key is {entry['key']}"

    def in_flight(self, now: Durable) -> set[str]:
        """The tasks that the worker was asked for and that are not done."""
        return {task for task, _ in self.seen} - now.done.keys()

    def lost(self, now: Durable) -> list[str]:
        """Callbacks that were acknowledged and are not what was committed."""
        faults = []
        for entry in self.log:
            if entry["kind"] == "acknowledged":
                answer = now.done.get(entry["task"])
                if answer is None or answer["nonce"] != entry["nonce"]:
                    faults.append(f"acknowledged, then lost: {entry['node']} of {entry['run']}, {answer=}")
            elif entry["kind"] == "gave_up":
                faults.append(f"never taken: {entry['node']} of {entry['run']}")
            elif entry["kind"] == "refused" and (entry["status"] != 409 or entry["task"] not in now.done):
                faults.append(f"refused with {entry['status']}: {entry['node']} of {entry['run']}: {entry['said']}")
        return faults


# ---- after the end


async def check_all(db: Path) -> tuple[int, list[str]]:
    """How many runs a database holds, and what is wrong with any of them; nobody may have it open to write."""
    graphs: dict[tuple[str, int], Any] = {}
    store = SqliteStore(db, readonly=True)
    await store.open()

    async def graph_of(workflow_id: str, version: int) -> Any:
        if (workflow_id, version) not in graphs:
            row = await store.workflow(workflow_id, version)
            assert row is not None
            graphs[workflow_id, version] = load(row.document, workflow_id, version, Limits())
        return graphs[workflow_id, version]

    try:
        connection = sqlite3.connect(f"{db.as_uri()}?mode=ro", uri=True)
        runs = connection.execute(
            "SELECT id, workflow_id, status, input FROM runs JOIN run_inputs ON run_key = key"
        ).fetchall()
        connection.close()
        faults = []
        for run_id, workflow_id, status, given in runs:
            faults += await _check_run(store, graph_of, run_id, workflow_id, status, orjson.loads(given))
            await asyncio.sleep(0)
        return len(runs), faults
    finally:
        await store.close()


async def _check_run(
    store: SqliteStore, graph_of: Any, run_id: RunId, workflow: str, status: str, given: Any
) -> list[str]:
    if status != "completed":
        return [f"{workflow} {run_id} is {status}"]
    report = await verify_run(store, run_id, graph_of)
    faults = [f"{workflow} {run_id}: {problem}" for problem in report.problems]
    expected = SHAPES[workflow].expected(given)
    if report.state != expected:
        faults.append(f"{workflow} {run_id} ended with {report.state} and not with {expected}")
    return faults
