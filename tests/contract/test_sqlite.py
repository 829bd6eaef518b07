"""What the SQLite store promises beyond the contract: durability, one server for a file, and errors that say why."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Conflict, StaleCommit, StoreLocked, StoreUnavailable
from engine.model import TaskId, make_ref
from engine.ports import Batch, Expected, RunFilter
from store import _writer
from store.sql import SqliteStore
from tests.contract.samples import commit, created, event, run, step, workflow

TIMEOUT_S = 10.0


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "clew.db")
    await store.open()
    yield store
    await store.close()


def connection(store: SqliteStore) -> sqlite3.Connection:
    assert store._writer is not None
    return store._writer.connection


def pragma(store: SqliteStore, name: str) -> Any:
    return connection(store).execute(f"PRAGMA {name}").fetchone()[0]


class Held:
    """Stops the store before its next COMMITs until it is let go."""

    def __init__(self, store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
        assert store._writer is not None
        self._reached, self.go_on = asyncio.Event(), asyncio.Event()
        self._run = store._writer._thread.run
        self.calls = 0
        monkeypatch.setattr(store._writer._thread, "run", self.run)

    async def run(self, call: Callable[[], Any], meanwhile: Callable[[], None] | None = None) -> Any:
        self.calls += 1
        self._reached.set()
        await self.go_on.wait()
        return await self._run(call, meanwhile)

    async def reached(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await self._reached.wait()


# ---- durable


async def test_commits_are_durable_before_they_are_acknowledged(sqlite: SqliteStore) -> None:
    assert pragma(sqlite, "synchronous") == 2
    assert pragma(sqlite, "journal_mode") == "wal"


async def test_rows_of_no_run_cannot_be_stored(sqlite: SqliteStore) -> None:
    assert pragma(sqlite, "foreign_keys") == 1


async def test_nothing_is_read_before_it_is_durable(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await sqlite.commit(created(run(1)))
    held = Held(sqlite, monkeypatch)
    task = asyncio.create_task(sqlite.commit(step(run(1), 1)))
    await held.reached()
    assert (await sqlite.run_by_key(1), await sqlite.commits(1, 1, 9)) == (run(1), [])
    held.go_on.set()
    await task
    assert await sqlite.commits(1, 1, 9) == [commit(1, 1)]


async def test_a_batch_cancelled_before_its_commit_is_rolled_back(
    sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sqlite.commit(created(run(1)))
    held = Held(sqlite, monkeypatch)
    task = asyncio.create_task(sqlite.commit(step(run(1), 1)))
    await held.reached()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not connection(sqlite).in_transaction
    held.go_on.set()
    await sqlite.commit(step(run(1), 1))


async def test_batches_take_turns(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await sqlite.commit(created(run(1), run(2)))
    held = Held(sqlite, monkeypatch)
    first = asyncio.create_task(sqlite.commit(step(run(1), 1)))
    await held.reached()
    others = [asyncio.create_task(call) for call in (sqlite.commit(step(run(2), 1)), sqlite.put_workflow(workflow()))]
    await asyncio.sleep(0)
    others[0].cancel()
    held.go_on.set()
    await asyncio.gather(first, others[1])
    with pytest.raises(asyncio.CancelledError):
        await others[0]
    assert (await sqlite.commits(1, 1, 9), await sqlite.commits(2, 1, 9)) == ([commit(1, 1)], [])


async def test_closing_waits_for_the_batch_under_way(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await sqlite.commit(created(run(1)))
    held = Held(sqlite, monkeypatch)
    task = asyncio.create_task(sqlite.commit(step(run(1), 1)))
    await held.reached()
    closing = asyncio.create_task(sqlite.close())
    await asyncio.sleep(0)
    assert held.calls == 1
    held.go_on.set()
    await asyncio.gather(task, closing)
    await sqlite.open()
    assert await sqlite.commits(1, 1, 9) == [commit(1, 1)]


# ---- beside others


async def test_long_reads_let_other_tasks_go_on(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made of short ones, between which others have their turn wherever it is time."""
    monkeypatch.setattr("engine.driver.pace.SLICE_S", 0.0)
    await sqlite.commit(created(*(run(key) for key in range(1, 2501))))
    await sqlite.commit(Batch(commits=[commit(1, seq) for seq in range(1, 2501)], heads={1: run(1)}))
    await sqlite.commit(Batch(events=[event(1, n) for n in range(1, 2501)]))
    reads = {
        "a page": (sqlite.runs(RunFilter(), 1000, None), 9),
        "a search": (sqlite.runs(RunFilter(tag="none"), 10, None), 2),
        "commits": (sqlite.commits(1, 1, 2500), 20),
        "commits backwards": (sqlite.commits_before(1, 9999, 2500, None), 20),
        "commits of a node": (sqlite.commits_before(1, 9999, 10, "none"), 2),
        "commits by ref": (sqlite.commits_at([make_ref(1, seq) for seq in range(1, 2501)]), 20),
        "commits in brief": (sqlite.briefs(1, 1, 2500), 2),
        "commits that hold a text": (sqlite.briefs(1, 1, 2500, b"none"), 2),
        "events": (sqlite.events(1, 0, 2500), 20),
        "events of a task": (sqlite.task_events(1, TaskId("task-1")), 20),
    }
    for name, (read, turns) in reads.items():
        task, taken = asyncio.ensure_future(read), 0
        while not task.done():
            await asyncio.sleep(0)
            taken += 1
        assert taken > turns, f"{name} was read in {taken} turns of the loop"


# ---- a disk that fails


async def test_a_full_disk_makes_the_store_unavailable_and_no_more(sqlite: SqliteStore) -> None:
    await sqlite.commit(created(run(1)))
    connection(sqlite).execute(f"PRAGMA max_page_count = {pragma(sqlite, 'page_count')}")
    large = Batch(
        expected={1: Expected(version=0, epoch=0)},
        commits=[commit(1, 1, body=b"x" * 100_000)],
        heads={1: run(1, head=make_ref(1, 1))},
    )
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="full"):
            await sqlite.commit(large)
    assert (await sqlite.run_by_key(1), await sqlite.commits(1, 1, 9)) == (run(1), [])
    connection(sqlite).execute("PRAGMA max_page_count = 1000000")
    await sqlite.commit(large)


class Failing:
    """A connection whose COMMIT fails, after which the transaction is still open."""

    def __init__(self, inner: sqlite3.Connection, error: sqlite3.Error) -> None:
        self._inner, self._error = inner, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("code", "told"),
    [(sqlite3.SQLITE_IOERR_FSYNC, StoreUnavailable), (sqlite3.SQLITE_ERROR, sqlite3.OperationalError)],
)
async def test_a_commit_that_fails_is_rolled_back(
    sqlite: SqliteStore, code: int, told: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    await sqlite.commit(created(run(1)))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode, error.sqlite_errorname = code, "SQLITE_X"
    with monkeypatch.context() as patch:
        patch.setattr(sqlite._writer, "connection", Failing(connection(sqlite), error))
        for call in (sqlite.commit(step(run(1), 1)), sqlite.put_workflow(workflow())):
            with pytest.raises(told):
                await call
            assert not connection(sqlite).in_transaction
    assert (await sqlite.commits(1, 1, 9), await sqlite.workflow("review")) == ([], None)
    await sqlite.commit(step(run(1), 1))


async def test_a_value_that_is_no_json_leaves_no_transaction_open(sqlite: SqliteStore) -> None:
    await sqlite.commit(created(run(1)))
    with pytest.raises(TypeError, match="object"):
        await sqlite.commit(Batch(commits=[commit(1, 1)], events=[event(1, 1, body=object())]))
    assert await sqlite.commits(1, 1, 9) == []
    await sqlite.commit(step(run(1), 1))


async def test_a_program_that_writes_beside_is_waited_for(sqlite: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(sqlite.commit(created(run(1))))
    await asyncio.sleep(_writer.BUSY_STEP_S)
    assert not task.done()
    other.execute("ROLLBACK")
    await task
    monkeypatch.setattr(_writer, "BUSY_S", 0)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        await asyncio.wait_for(sqlite.commit(step(run(1), 1)), TIMEOUT_S)
    other.close()
    await sqlite.commit(step(run(1), 1))


async def test_a_database_that_was_removed_fails_the_ping(sqlite: SqliteStore) -> None:
    await sqlite.ping()
    sqlite.path.unlink()
    with pytest.raises(StoreUnavailable, match="removed"):
        await sqlite.ping()


async def test_errors_of_a_change_reach_its_caller(sqlite: SqliteStore) -> None:
    await sqlite.put_workflow(workflow())
    with pytest.raises(Conflict):
        await sqlite.put_workflow(workflow())
    with pytest.raises(StaleCommit):
        await sqlite.commit(step(run(1), 1))
    assert not connection(sqlite).in_transaction


# ---- one server for a file


async def test_a_second_server_is_refused_with_the_pid_of_the_first(sqlite: SqliteStore) -> None:
    second = SqliteStore(f"sqlite:///{sqlite.path}")
    with pytest.raises(StoreLocked) as told:
        await second.open()
    assert str(sqlite.path) in told.value.message
    assert str(os.getpid()) in told.value.message
    assert told.value.details["pid"] == os.getpid()
    await sqlite.commit(created(run(1)))
    await sqlite.close()
    await second.open()
    assert await second.run_by_key(1) == run(1)
    await second.close()


SERVER = """
import asyncio, sys
from store.sql import SqliteStore
from tests.contract.samples import created, run, step

async def serve():
    store = SqliteStore(sys.argv[1])
    await store.open()
    await store.commit(created(run(1)))
    await store.commit(step(run(1), 1))
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


async def test_a_killed_server_frees_the_lock_and_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "clew.db"
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", SERVER, path], stdout=subprocess.PIPE, text=True, cwd=root) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "open\n"
        store = SqliteStore(path)
        with pytest.raises(StoreLocked) as told:
            await store.open()
        assert told.value.details["pid"] == server.pid
        server.send_signal(signal.SIGKILL)
    await store.open()
    assert await store.commits(1, 1, 9) == [commit(1, 1)]
    await store.close()


async def test_a_store_that_does_not_open_holds_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("these are no tables" * 100)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="not a database"):
            await SqliteStore(path).open()
    path.unlink()
    store = SqliteStore(path)
    await store.open()
    await store.close()


# ---- where it is


async def test_a_path_is_taken_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "b #1").mkdir()
    store = SqliteStore(f"sqlite:///{tmp_path}/b #1/clew%20.db")
    await store.open()
    await store.close()
    assert (tmp_path / "b #1" / "clew%20.db").is_file()


async def test_a_folder_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "mistyped/deeper"):
        with pytest.raises(StoreUnavailable, match="there is no folder"):
            await SqliteStore(tmp_path / folder / "clew.db").open()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# ---- only to read


async def test_a_reader_opens_beside_the_server_and_sees_what_it_commits(sqlite: SqliteStore) -> None:
    await sqlite.commit(created(run(1)))
    reader = SqliteStore(sqlite.path, readonly=True)
    await reader.open()
    assert await reader.run_by_key(1) == run(1)
    await sqlite.commit(step(run(1), 1))
    assert await reader.commits(1, 1, 9) == [commit(1, 1)]
    for call in (reader.commit(Batch()), reader.delete_run(1), reader.put_workflow(workflow())):
        with pytest.raises(StoreUnavailable, match="read only"):
            await call
    await reader.close()


async def test_a_reader_opens_a_file_that_nobody_serves(sqlite: SqliteStore) -> None:
    await sqlite.commit(created(run(1)))
    await sqlite.close()
    reader = SqliteStore(sqlite.path, readonly=True)
    await reader.open()
    await reader.ping()
    assert await reader.run_by_key(1) == run(1)
    await reader.close()


async def test_a_reader_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="does not exist"):
        await SqliteStore(tmp_path / "clew.db", readonly=True).open()
    assert list(tmp_path.iterdir()) == []
