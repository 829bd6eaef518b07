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

from engine.parse import Limits, load
from engine.verify import verify_run
from store.sql import SqliteStore
from tests.e2e.counting_worker import GOOD_ATTEMPT
from tests.e2e.shapes import SHAPES

DONE = "('node', 'item', 'failure')"


@dataclass
class Durable:
    """What a database holds: finished tasks with their answers, accepted attempts, the attempt that each task has
    come to, tasks whose workers have asked something, and the number of commits and the status of each run."""

    done: dict[str, Any] = field(default_factory=dict)
    accepted: set[tuple[str, int]] = field(default_factory=set)
    attempt: dict[str, int] = field(default_factory=dict)
    questions: set[str] = field(default_factory=set)
    commits: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)

    @property
    def active(self) -> int:
        """How many runs are not over."""
        return sum(status in ("running", "queued", "interrupted") for status in self.status.values())


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
        found.questions.update(
            task_id for (task_id,) in connection.execute("SELECT task_id FROM interrupts WHERE kind = 'worker'")
        )
    finally:
        connection.close()
    return found


# ---- the rules


Attempt = tuple[str, int, bool]
"""A request: the task, the attempt, and whether it brings the answer to what the worker had asked."""


@dataclass
class Asked:
    """The worker's log up to one restart, and the rules that hold between it, the disk, and what is asked later."""

    log: list[dict[str, Any]] = field(default_factory=list)
    seen: set[Attempt] = field(default_factory=set)
    told: set[str] = field(default_factory=set)
    repeated: int = 0

    def take(self, entries: list[dict[str, Any]], before: Durable, in_flight: set[str]) -> list[str]:
        """Take up what happened from one restart to the next kill; `before` is what was durable at that restart,
        `in_flight` what the worker held then. Returns what breaks a rule."""
        faults, now = [], set[Attempt]()
        for entry in entries:
            if entry["kind"] == "asked":
                asked = (entry["task"], entry["attempt"], entry["resumed"])
                what = f"{entry['node']} of {entry['run']}, attempt {entry['attempt']}"
                faults += [f"{why}: {what}" for why in self._wrong(entry, asked, now, before, in_flight)]
                self.repeated += asked in self.seen and asked not in now
                now.add(asked)
        self.seen |= now
        self.log += entries
        return faults

    def _wrong(
        self, entry: dict[str, Any], asked: Attempt, now: set[Attempt], before: Durable, held: set[str]
    ) -> Iterator[str]:
        task, attempt, resumed = asked
        if task in before.done or (task in before.questions and not resumed):
            yield "asked for though its answer was durable"
        if attempt < before.attempt.get(task, 1):
            yield "asked for though a later attempt was durable"
        if attempt > (GOOD_ATTEMPT if entry["do"] == "flaky" else 1 + resumed):
            yield "asked for though no attempt before it had failed"
        if asked in now:
            yield "asked for twice by one server"
        elif asked in self.seen and task not in held:
            yield "asked for again though it was not in flight at the kill"
        if (task, attempt) in before.accepted:
            yield "asked for again though the worker's 202 was durable"
        if entry["key"] != (f"{task}.1.1" if resumed else task):
            yield f"its idempotency key is {entry['key']}"

    def in_flight(self, now: Durable) -> set[str]:
        """The tasks that the worker was asked for and that are not done."""
        return {task for task, _, _ in self.seen} - now.done.keys()

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
        new = [fault for fault in faults if fault not in self.told]
        self.told.update(new)
        return new

    def of(self, runs: set[str]) -> list[str]:
        """What was asked for these runs."""
        return [f"{entry['node']} of {entry['run']}" for entry in self.log if entry["run"] in runs]


# ---- after the end


Edits = dict[str, tuple[int, int]]
"""By run: how many edits were acknowledged as written, and how many may have been."""


def differs(run_id: str, state: dict[str, Any], expected: dict[str, Any], edits: Edits) -> bool:
    """Whether a run has not ended as it must, but for its edits, which each count once."""
    least, most = edits.get(run_id, (0, 0))
    return {**state, "extra": 0} != {**expected, "extra": 0} or not least <= state.get("extra", 0) <= most


async def check_all(db: Path, edits: Edits) -> tuple[int, list[str]]:
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
            if status != "completed":
                faults.append(f"{workflow_id} {run_id} is {status}")
                continue
            report = await verify_run(store, run_id, graph_of)
            faults += [f"{workflow_id} {run_id}: {problem}" for problem in report.problems]
            expected = SHAPES[workflow_id].expected(orjson.loads(given))
            if differs(run_id, report.state, expected, edits):
                faults.append(f"{workflow_id} {run_id} ended with {report.state} and not with {expected}")
            await asyncio.sleep(0)
        return len(runs), faults
    finally:
        await store.close()
