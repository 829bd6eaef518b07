"""`clew doctor`: what it finds on a machine, in a database, in a folder, and at a server."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.doctor.database import LARGE_WAL_BYTES, LOW_BYTES, TIGHT_BYTES, room
from api.doctor.finding import Level
from api.doctor.machine import clock_of_server, clock_since, python, sqlite
from store._lock import FileLock
from store.sql import SqliteStore
from tests.contract.samples import created, run
from tests.integration.command_line import clew, said, served
from tests.unit.api.serving import broken, straight, working
from tests.unit.dispatch.builders import free_port, http_worker

NOW = 1_800_000_000_000


async def filled(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.commit(created(run(1)))
    await store.close()


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "clew.db"
    asyncio.run(filled(path))
    return path


def found(*words: str | Path, **env: str) -> dict[str, list[tuple[str, str]]]:
    """The findings by their checks; the exit code is checked against them."""
    result = clew("doctor", *words, "--json", **env)
    told = orjson.loads(result.stdout)
    failed = any(finding["level"] == "fail" for finding in told["findings"])
    assert (result.exit_code, told["ok"]) == (int(failed), not failed)
    assert all(finding["advice"] for finding in told["findings"] if finding["level"] != "ok")
    checks: dict[str, list[tuple[str, str]]] = {}
    for finding in told["findings"]:
        checks.setdefault(finding["check"], []).append((finding["level"], finding["message"]))
    return checks


def one(checks: dict[str, list[tuple[str, str]]], check: str) -> tuple[str, str]:
    [finding] = checks[check]
    return finding


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def listening() -> Iterator[int]:
    """A port with somebody behind it who takes connections and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        yield taken.getsockname()[1]


# ---- the machine


def test_versions_that_are_too_old_fail() -> None:
    assert [python((3, 10, 9)).level, python((3, 11, 0)).level] == [Level.FAIL, Level.OK]
    assert [sqlite((3, 26, 0)).level, sqlite((3, 27, 0)).level] == [Level.FAIL, Level.OK]


def test_a_clock_that_was_set_back_is_seen_by_the_newest_run() -> None:
    assert clock_since(NOW + 60_000, NOW).level is Level.WARN
    assert clock_since(NOW - 60_000, NOW).level is Level.OK


def test_a_server_with_another_time_is_seen_by_its_answer() -> None:
    behind = clock_of_server("Fri, 15 Jan 2027 07:59:00 GMT", NOW)
    same = clock_of_server("Fri, 15 Jan 2027 08:00:00 GMT", NOW)
    assert behind is not None and same is not None
    assert (behind.level, "60 s behind" in behind.message, same.level) == (Level.WARN, True, Level.OK)
    assert clock_of_server("yesterday", NOW) is None
    assert clock_of_server(None, NOW) is None


def test_a_disk_with_little_room_is_told_before_it_is_full(db: Path) -> None:
    assert [room(db, free).level for free in (TIGHT_BYTES - 1, TIGHT_BYTES, LOW_BYTES)] == ["fail", "warn", "ok"]


# ---- the database


def test_all_is_well_with_a_database_that_nobody_serves(db: Path) -> None:
    checks = found("--db", f"sqlite:///{db}", CLEW_PORT=str(free_port()))
    assert {level for findings in checks.values() for level, _ in findings} == {"ok"}
    assert {"python", "sqlite", "disk", "schema", "wal", "settings", "clock", "integrity", "port"} <= checks.keys()
    assert one(checks, "lock") == ("ok", "nobody serves it")


def test_people_are_told_line_by_line_what_to_do(tmp_path: Path) -> None:
    lines = said("doctor", "--db", f"sqlite:///{tmp_path}/no.db").splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("warn  database"))
    assert "does not exist" in lines[place]
    assert lines[place + 1].strip().startswith("-> 'clew serve' makes it")
    assert lines[-1].endswith("1 to look at, 0 not working")
    assert not (tmp_path / "no.db").exists()


def test_a_database_of_an_older_version_is_told_how_to_migrate(db: Path) -> None:
    change(db, "UPDATE meta SET version_num = '0004'")
    level, message = one(found("--db", f"sqlite:///{db}"), "schema")
    assert (level, message.startswith("0004, and this version reads")) == ("fail", True)


@pytest.mark.parametrize("content", [b"no database at all, just text", b""])
def test_a_file_that_is_no_database_of_ours_fails(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.db").write_bytes(content)
    assert one(found("--db", f"sqlite:///{tmp_path}/other.db"), "schema")[0] == "fail"


def test_a_file_that_is_damaged_fails(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        [[page]] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'runs_by_status'").fetchall()
    with db.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    level, message = one(found("--db", f"sqlite:///{db}"), "integrity")
    assert (level, "damaged" in message) == ("fail", True)


def test_a_database_that_is_served_names_its_process(db: Path) -> None:
    lock = FileLock(db)
    lock.take()
    try:
        checks = found("--db", f"sqlite:///{db}", CLEW_PORT=str(free_port()))
    finally:
        lock.release()
    assert (one(checks, "lock")[0], "with pid" in one(checks, "lock")[1]) == ("ok", True)
    level, message = one(checks, "server")
    assert (level, message.startswith("a process serves the database, and http")) == ("fail", True)


def test_looking_takes_nobody_the_lock(db: Path) -> None:
    found("--db", f"sqlite:///{db}")
    FileLock(db).take()


def test_a_log_that_nobody_puts_into_the_file_is_told(db: Path) -> None:
    with db.with_name("clew.db-wal").open("wb") as wal:
        wal.truncate(LARGE_WAL_BYTES + 1)
    assert one(found("--db", f"sqlite:///{db}"), "wal")[0] == "warn"


def test_settings_that_the_server_would_change_are_told(db: Path) -> None:
    change(db, "PRAGMA journal_mode = DELETE")
    assert one(found("--db", f"sqlite:///{db}"), "settings") == ("warn", "journal_mode is delete")


def test_a_run_from_the_future_is_told(db: Path) -> None:
    change(db, "UPDATE runs SET created_at = 9000000000000")
    assert one(found("--db", f"sqlite:///{db}"), "clock")[0] == "warn"


def test_an_address_that_names_no_file_fails(tmp_path: Path) -> None:
    assert one(found("--db", "postgresql://here/there"), "database")[0] == "fail"
    assert one(found("--db", f"sqlite:///{tmp_path}/no/folder/clew.db"), "database")[0] == "fail"
    assert one(found("--db", "memory://"), "database")[0] == "warn"


def test_settings_that_no_server_can_have_fail() -> None:
    level, message = one(found(CLEW_PORT="70000"), "settings")
    assert (level, message.startswith("port: ")) == ("fail", True)


# ---- the folder of workflows


def test_each_file_is_told_as_the_server_would_see_it(db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    race = {"a": {"type": "transform", "updates": {"n": 1}}, "b": {"type": "transform", "updates": {"n": 2}}}
    edges = [["__start__", "a"], ["__start__", "b"], ["a", "__end__"], ["b", "__end__"]]
    documents = {
        "good": straight("one"),
        "bad": broken("two"),
        "second": straight("one", name="another"),
        "race": straight("three", nodes=race, edges=edges, state_schema={"n": {"type": "integer"}}),
    }
    for name, document in documents.items():
        (folder / f"{name}.json").write_bytes(orjson.dumps(document))
    (folder / "torn.json").write_text("{")

    checks = found("--db", f"sqlite:///{db}", "--workflows", folder)["workflows"]

    files = {message.partition(":")[0]: (level, message) for level, message in checks}
    assert {name: level for name, (level, _) in files.items()} == {
        "bad.json": "fail", "good.json": "ok", "race.json": "warn", "second.json": "fail", "torn.json": "fail",
    }  # fmt: skip
    assert "/edges/1/1" in files["bad.json"][1]
    assert "another file has this id: good.json" in files["second.json"][1]


def test_a_folder_that_is_none_or_empty_is_told(db: Path, tmp_path: Path) -> None:
    assert one(found("--db", f"sqlite:///{db}", "--workflows", tmp_path / "no"), "workflows")[0] == "fail"
    (tmp_path / "empty").mkdir()
    assert one(found("--db", f"sqlite:///{db}", "--workflows", tmp_path / "empty"), "workflows")[0] == "warn"


def test_what_is_logged_of_files_does_not_come_on_top(db: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_text("{")
    assert clew("doctor", "--db", f"sqlite:///{db}", "--workflows", tmp_path).stderr == ""


# ---- the server


def test_a_server_is_asked_what_it_can_do(db: Path) -> None:
    def work(url: str) -> None:
        checks = found("--db", f"sqlite:///{db}", "--url", url)
        assert (one(checks, "ready"), one(checks, "server")[0]) == (("ok", "the server takes work"), "ok")
        assert one(checks, "workers") == ("warn", "none is registered")
        assert ("ok", "the server's is the same as this one") in checks["clock"]
        assert "port" not in checks

    served(db.parent, work)


def test_a_server_that_is_drained_is_told(db: Path) -> None:
    def work(url: str) -> None:
        post(url, "/admin/drain", {})
        level, message = one(found("--db", f"sqlite:///{db}", "--url", url), "ready")
        assert (level, "server.draining" in message) == ("warn", True)

    served(db.parent, work)


def test_a_broker_that_is_away_is_told(db: Path) -> None:
    def ready(url: str) -> tuple[str, str]:
        return one(found("--db", f"sqlite:///{db}", "--url", url), "ready")

    def work(url: str) -> None:
        address = f"redis://127.0.0.1:{free_port()}"
        post(url, "/workers", {"id": "r", "protocol": "redis_stream", "url": f"{address}/work", "tags": ["w"]})
        tries = (ready(url) for _ in range(200))  # it is dialled beside
        alone = next(found for found in tries if found[0] == "fail")
        assert ("brokers.away" in alone[1], address in alone[1]) == (True, True)
        post(url, "/workers", {"id": "h", "protocol": "webhook", "url": "http://127.0.0.1:9/", "tags": ["w"]})
        level, message = ready(url)
        assert (level, f"{address}/0 (1)" in message) == ("warn", True)

    served(db.parent, work)


def test_a_server_that_wants_a_token_is_told(db: Path) -> None:
    def work(url: str) -> None:
        words = ("--db", f"sqlite:///{db}", "--url", url)
        assert one(found(*words), "server") == ("fail", f"{url} wants its token")
        assert one(found(*words, "--token", "secret"), "server")[0] == "ok"

    served(db.parent, work, "--token", "secret")


def test_a_server_tells_of_the_files_that_it_follows(db: Path, tmp_path: Path) -> None:
    folder = tmp_path / "followed"
    folder.mkdir()
    (folder / "bad.json").write_bytes(orjson.dumps(broken("two")))

    def work(url: str) -> None:
        level, message = one(found("--db", f"sqlite:///{db}", "--url", url), "workflows")
        assert (level, message.startswith("bad.json: /edges/1/1")) == ("fail", True)
        both = found("--db", f"sqlite:///{db}", "--url", url, "--workflows", folder)
        assert one(both, "workflows") == (level, message)
        assert "its file bad.json is not valid" in clew("runs", "start", "two", "--url", url).stderr

    served(db.parent, work, "--workflows", str(folder))


async def test_workers_are_looked_for_from_here(tmp_path: Path) -> None:
    gone = free_port()
    async with http_worker() as worker:

        def work(url: str) -> None:
            for name, health in (("plain", None), ("well", f"{worker.url}"), ("ill", f"http://127.0.0.1:{gone}/")):
                body = {"id": name, "protocol": "webhook", "url": worker.url, "tags": ["w"], "health": health}
                post(url, "/workers", body)
            post(url, "/workers", {"id": "gone", "protocol": "webhook", "url": f"http://127.0.0.1:{gone}/"})
            checks = found("--db", f"sqlite:///{tmp_path}/clew.db", "--url", url)["workers"]
            assert {message.split()[0]: level for level, message in checks} == {
                "plain": "ok", "well": "ok", "ill": "warn", "gone": "warn",
            }  # fmt: skip

        await asyncio.to_thread(served, tmp_path, work)


def test_an_address_that_was_given_and_does_not_answer_fails(db: Path) -> None:
    words = ("--db", f"sqlite:///{db}", "--url", f"http://127.0.0.1:{free_port()}")
    assert one(found(*words), "server")[0] == "fail"
    assert one(found("--db", f"sqlite:///{db}", "--url", "nonsense"), "server")[0] == "fail"


def test_a_port_that_something_else_has_is_told(db: Path) -> None:
    with listening() as port:
        level, message = one(found("--db", f"sqlite:///{db}", CLEW_PORT=str(port)), "port")
    assert (level, f"cannot listen on 127.0.0.1:{port}" in message) == ("fail", True)


async def test_another_server_of_http_is_told_apart(db: Path) -> None:
    async with http_worker() as other:
        checks = await asyncio.to_thread(found, "--db", f"sqlite:///{db}", "--url", other.url.rstrip("/"))
    assert (one(checks, "server")[0], "no Clew server" in one(checks, "server")[1]) == ("fail", True)


def post(url: str, path: str, body: Any) -> None:
    import httpx

    response = httpx.post(f"{url}/v1{path}", json=body, trust_env=False)
    assert response.is_success, response.text


def test_tasks_that_wait_for_a_worker_that_is_not_there_are_told(tmp_path: Path) -> None:
    def work(url: str) -> None:
        post(url, "/workflows", working())
        post(url, "/runs", {"workflow_id": "working"})
        post(url, "/runs", {"workflow_id": "working"})
        level, message = one(found("--db", f"sqlite:///{tmp_path}/clew.db", "--url", url), "tasks")
        assert (level, "2 for one with the tags [w]" in message) == ("warn", True)
        post(url, "/workers", {"id": "w1", "protocol": "webhook", "url": "http://127.0.0.1:1/", "tags": ["w"]})
        assert one(found("--db", f"sqlite:///{tmp_path}/clew.db", "--url", url), "tasks")[0] == "ok"

    served(tmp_path, work)
