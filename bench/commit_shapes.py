"""How batches of commits are best written to SQLite beside a busy event loop: `python -m bench.commit_shapes`.

A row is one commit with its run's new head and one event, as a step of a run writes them; rows of a batch belong to
different runs. The loop is never idle: it plans the next batch while one is written, and then does as much for others,
in turns of one row's work. Times are in milliseconds: those of a batch, and for how long a task that wants to go on
each millisecond is kept waiting. `0.2 ms` is the interpreter's switch interval where it is not the usual 5 ms.

`--layouts` compares how the table of commits could be laid out, `--reads` where a page of a list could be read.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles

from engine.model import Ref, RunHead, RunId, RunStatus, TaskId, make_ref
from engine.ports import Batch, CommitRow, EventRow, Expected, RunFilter
from store import _rows as rows
from store import _statements as sql
from store._commit import write
from store._handover import Handover
from store._json import to_text
from store._lists import list_runs
from store._sqlite import connect_reader, connect_writer
from store._tables import commits
from store.sql import SqliteStore

RUNS = 1024
TEXT = "x" * 300
BODY = f'{{"task":["0f4a","writer"],"writes":[["draft","{TEXT}"]]}}'.encode()
SIZES = (1, 8, 64, 256)
PLANNED_AT_ONCE_S = 0.005


@dataclass
class Planner:
    """Makes batches as fast as the engine would: so much work for each row, then the row."""

    work_s: float
    versions: list[int] = field(default_factory=lambda: [0] * (RUNS + 1))
    place: int = 0

    def work(self) -> None:
        until = time.perf_counter() + self.work_s
        while time.perf_counter() < until:
            pass

    async def batch(self, size: int) -> Batch:
        made, since = Batch(), time.perf_counter()
        for _ in range(size):
            self.work()
            self.row(made)
            if time.perf_counter() - since > PLANNED_AT_ONCE_S:
                await asyncio.sleep(0)
                since = time.perf_counter()
        return made

    def row(self, batch: Batch) -> None:
        self.place = key = self.place % RUNS + 1
        before = self.versions[key]
        self.versions[key] = seq = before + 1
        parent = make_ref(key, before) if before else None
        task = TaskId(f"{key:016x}{seq:016x}")
        batch.expected[key] = Expected(version=before, epoch=0)
        batch.heads[key] = replace(head(key), head=make_ref(key, seq), status=RunStatus.RUNNING, updated_at=seq)
        batch.commits.append(
            CommitRow(
                run_key=key, seq=seq, branch=1, parent=parent, kind="node", node="writer", task_id=task, level=seq,
                at=seq, status="running", actor="engine", version=before, epoch=0, dominator=parent, base=None,
                body=BODY,
            )
        )  # fmt: skip
        batch.events.append(
            EventRow(run_key=key, n=seq, seq=before, at=seq, kind="dispatch", task_id=task, body={"worker": "w1"})
        )


def head(key: int) -> RunHead:
    return RunHead(
        key=key, id=RunId(f"{key:032x}"), workflow_id="w", workflow_version=1, status=RunStatus.QUEUED, head=Ref(0),
        created_at=key, updated_at=key,
    )  # fmt: skip


# ---- statements: one for many rows, one for a JSON text, or one for each row


def _from_json(target: str, columns: tuple[str, ...]) -> str:
    picked = ", ".join(f"json_extract(value, '$[{place}]')" for place in range(len(columns)))
    return f"INSERT INTO {target} ({', '.join(columns)}) SELECT {picked} FROM json_each(?)"


COMMITS_FROM_JSON = _from_json("commits", rows.COMMIT)
EVENTS_FROM_JSON = _from_json("events", rows.EVENT)
HEADS_FROM_JSON = (
    "UPDATE runs SET "
    + ", ".join(f"{name} = json_extract(j.value, '$[{place}]')" for place, name in enumerate(rows.MOVED))
    + f" FROM json_each(?) AS j WHERE runs.key = json_extract(j.value, '$[{len(rows.MOVED)}]')"
)


def write_json(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.execute(sql.STANDING, {"keys": to_text(list(batch.expected))}).fetchall()
    written = [[*row[:-2], BODY.decode(), None] for row in batch.commits]
    connection.execute(COMMITS_FROM_JSON, (to_text(written),))
    heads = [rows.moved_values(found, row.seq) for found, row in zip(batch.heads.values(), batch.commits, strict=True)]
    connection.execute(HEADS_FROM_JSON, (to_text(heads),))
    connection.execute(EVENTS_FROM_JSON, (to_text([rows.event_values(event) for event in batch.events]),))


def write_singly(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.execute(sql.STANDING, {"keys": to_text(list(batch.expected))}).fetchall()
    for row, event in zip(batch.commits, batch.events, strict=True):
        connection.execute("SAVEPOINT row")
        connection.execute(sql.INSERT_COMMIT, row)
        connection.execute(sql.MOVE_HEAD, rows.moved_values(batch.heads[row.run_key], row.seq))
        connection.execute(sql.INSERT_EVENT, rows.event_values(event))
        connection.execute("RELEASE row")


# ---- shapes: who executes the statements, and who COMMIT


class OnTheLoop:
    """All of it on the loop."""

    def __init__(self, connection: sqlite3.Connection, slow_s: float) -> None:
        self.connection, self.slow_s = connection, slow_s

    def begin(self, batch: Batch) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        write(self.connection, batch, {})

    def commit(self) -> None:
        self.connection.commit()
        if self.slow_s:
            time.sleep(self.slow_s)  # noqa: TID251 - a slow disk

    async def write(self, batch: Batch) -> None:
        self.begin(batch)
        self.commit()


class CommitHandedOver(OnTheLoop):
    """Statements on the loop, which stands aside for a short COMMIT: what the store does."""

    def __init__(self, connection: sqlite3.Connection, slow_s: float) -> None:
        super().__init__(connection, slow_s)
        self.thread = Handover("bench")

    async def write(self, batch: Batch) -> None:
        self.begin(batch)
        await self.thread.run(self.commit)


class CommitInExecutor(OnTheLoop):
    """Statements on the loop, COMMIT in an executor's thread."""

    def __init__(self, connection: sqlite3.Connection, slow_s: float) -> None:
        super().__init__(connection, slow_s)
        self.threads = ThreadPoolExecutor(1)

    async def write(self, batch: Batch) -> None:
        self.begin(batch)
        await asyncio.get_running_loop().run_in_executor(self.threads, self.commit)


class InExecutor(CommitInExecutor):
    """All of it in an executor's thread."""

    def whole(self, batch: Batch) -> None:
        self.begin(batch)
        self.commit()

    async def write(self, batch: Batch) -> None:
        await asyncio.get_running_loop().run_in_executor(self.threads, self.whole, batch)


class JsonInExecutor(InExecutor):
    def begin(self, batch: Batch) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        write_json(self.connection, batch)


class SinglyInExecutor(InExecutor):
    def begin(self, batch: Batch) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        write_singly(self.connection, batch)


SHAPES: dict[str, tuple[type[OnTheLoop], float]] = {
    "on the loop, COMMIT handed over": (CommitHandedOver, 0.005),
    "on the loop, COMMIT too": (OnTheLoop, 0.005),
    "on the loop, COMMIT in an executor": (CommitInExecutor, 0.005),
    "on the loop, COMMIT in an executor, 0.2 ms": (CommitInExecutor, 0.0002),
    "executemany in an executor": (InExecutor, 0.005),
    "executemany in an executor, 0.2 ms": (InExecutor, 0.0002),
    "json_each in an executor": (JsonInExecutor, 0.005),
    "json_each in an executor, 0.2 ms": (JsonInExecutor, 0.0002),
    "savepoint per row in an executor": (SinglyInExecutor, 0.005),
}


# ---- measuring


@dataclass
class Measured:
    seconds: float
    size: int
    took: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def line(self, name: str) -> str:
        rate = len(self.took) * self.size / self.seconds
        times = [self._ms(self.took, 49), self._ms(self.took, 98), self._ms(self.waited, 98)]
        return f"| {name:<42} | {self.size:>5} | {rate:>7,.0f} | {' | '.join(f'{found:>9}' for found in times)} |"

    def _ms(self, found: list[float], percent: int) -> str:
        return f"{quantiles(found, n=100)[percent] * 1000:.2f}" if len(found) > 1 else "-"


async def measured(
    write_batch: Callable[[Batch], Awaitable[None]], planner: Planner, size: int, seconds: float
) -> Measured:
    """One batch is planned while another is written."""
    found = Measured(seconds, size)
    until = time.perf_counter() + seconds
    under_way: asyncio.Future[None] | None = None

    async def timed(batch: Batch) -> None:
        begun = time.perf_counter()
        await write_batch(batch)
        if time.perf_counter() < until:
            found.took.append(time.perf_counter() - begun)

    other = asyncio.ensure_future(every_millisecond(found.waited))
    while time.perf_counter() < until:
        batch = await planner.batch(size)
        while under_way is not None and not under_way.done() and time.perf_counter() < until:
            planner.work()
            await asyncio.sleep(0)
        if under_way is not None:
            await under_way
        under_way = asyncio.ensure_future(timed(batch))
        await asyncio.sleep(0)
    other.cancel()
    if under_way is not None:
        await under_way
    return found


async def every_millisecond(waited: list[float]) -> None:
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        waited.append(time.perf_counter() - begun - 0.001)


async def measure(name: str, size: int, given: argparse.Namespace) -> str:
    kind, interval = SHAPES[name]
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "bench.db"))
        await store.open()
        try:
            await store.commit(Batch(created=[head(key) for key in range(1, RUNS + 1)]))
            assert store._writer is not None
            shape = kind(store._writer.connection, given.slow_ms / 1000)
            sys.setswitchinterval(interval)
            found = await measured(shape.write, Planner(given.plan_us / 1e6), size, given.seconds)
        finally:
            sys.setswitchinterval(0.005)
            await store.close()
    return found.line(name)


# ---- layouts: the same table, with another key

COLUMNS = [f"{column.name} {'BLOB' if column.name in ('body', 'snapshot') else ''}" for column in commits.columns]
LAYOUTS = {
    "rowid, unique (run_key, seq)": f"CREATE TABLE c ({', '.join(COLUMNS)}, PRIMARY KEY (run_key, seq))",
    "WITHOUT ROWID, (run_key, seq)": f"CREATE TABLE c ({', '.join(COLUMNS)}, PRIMARY KEY (run_key, seq)) WITHOUT ROWID",
    "ref as the integer key": f"CREATE TABLE c ({', '.join(COLUMNS)}, ref INTEGER PRIMARY KEY)",
}


def layout(name: str, runs: int, body: int, total: int, size: int = 64) -> str:
    """Appends batches whose rows belong to `runs` runs in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bench.db")
        connection = connect_writer(path)
        connection.execute(LAYOUTS[name])
        keyed = name.startswith("ref")
        statement = f"INSERT INTO c VALUES ({', '.join('?' * (len(COLUMNS) + keyed))})"
        row = ["node", "writer", "f" * 32, 3, 1_760_000_000_000, "running", "engine", 1, 0, 1, 1, b"x" * body, None]
        took = 0.0
        for start in range(0, total, size):
            places = [(at % runs + 1, at // runs + 1) for at in range(start, start + size)]
            made = [[key, seq, 1, seq, *row, *([key << 32 | seq] if keyed else [])] for key, seq in places]
            begun = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(statement, made)
            connection.commit()
            took += time.perf_counter() - begun
        connection.close()
        return f"| {name:<31} | {runs:>5} | {body:>6} | {total / took:>7,.0f} | {path.stat().st_size / 1e6:>5.1f} |"


def layouts() -> None:
    print(f"| {'layout':<31} |  runs |  bytes |  rows/s |    MB |")
    print(f"| {'-' * 31} | ----: | -----: | ------: | ----: |")
    for body, total in ((300, 40_000), (3000, 20_000)):
        for runs in (1, 64, 5000):
            for name in LAYOUTS:
                print(layout(name, runs, body, total), flush=True)


# ---- reads


def page(connection: sqlite3.Connection, text: str, given: Mapping[str, object]) -> None:
    connection.execute(text, given).fetchall()


async def reads(plan_us: float) -> None:
    """A page of fifty runs, ten times, on the loop and in an executor."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder, "bench.db"))
        await store.open()
        await store.commit(Batch(created=[head(key) for key in range(1, RUNS + 1)]))
        other = connect_reader(store.path)
        text, given = list_runs(RunFilter(), 50, None)
        planner, threads = Planner(plan_us / 1e6), ThreadPoolExecutor(1)

        async def busy() -> None:
            while True:
                planner.work()
                await asyncio.sleep(0)

        task = asyncio.ensure_future(busy())
        for name in ("on the loop", "in an executor"):
            took = []
            for _ in range(10):
                begun = time.perf_counter()
                if name == "on the loop":
                    page(other, text, given)
                else:
                    fetch = partial(page, other, text, given)
                    await asyncio.get_running_loop().run_in_executor(threads, fetch)
                took.append((time.perf_counter() - begun) * 1000)
            print(f"a page of 50 runs {name}: median {median(took):,.1f} ms, longest {max(took):,.1f} ms", flush=True)
        task.cancel()
        other.close()
        await store.close()


async def main() -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each line of the table")
    parser.add_argument("--plan-us", type=float, default=50.0, help="work on the loop for each row")
    parser.add_argument("--slow-ms", type=float, default=0.0, help="added to each COMMIT, as a slow disk would")
    parser.add_argument("--layouts", action="store_true")
    parser.add_argument("--reads", action="store_true")
    given = parser.parse_args()
    if given.layouts:
        return layouts()
    if given.reads:
        return await reads(given.plan_us)
    versions = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    print(f"{versions}, {given.plan_us:.0f} µs of planning a row, {given.slow_ms:.0f} ms added to COMMIT\n")
    print(f"| {'shape':<42} | batch |  rows/s | batch p50 | batch p99 | other p99 |")
    print(f"| {'-' * 42} | ----: | ------: | --------: | --------: | --------: |")
    for name in SHAPES:
        for size in SIZES:
            print(await measure(name, size, given), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
