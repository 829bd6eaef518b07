"""`clew migrate`: a database of an older version is told, backed up, and brought to the newest schema."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store import _schema
from store._lock import FileLock
from store._tables import REVISION
from tests.integration.command_line import clew, said, told
from tests.unit.api.serving import a_server, straight

OLDER = "0005"


async def filled(folder: Path) -> None:
    async with a_server(folder) as server:
        await server.post("/workflows", straight(), 201)
        await server.post("/workflows/straight/runs?wait=10", {}, 201)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database with a run, as an older version has left it."""
    from alembic import command

    asyncio.run(filled(tmp_path))
    path = tmp_path / "clew.db"
    with _schema.alembic_on(path) as config:
        command.downgrade(config, OLDER)
    return path


def stamp(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        found = _schema.read_stamp(connection, path)
    assert found is not None
    return found


def test_the_steps_are_told_and_nothing_is_done(old: Path) -> None:
    result = clew("migrate", "--check", "--db", f"sqlite:///{old}")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"schema {OLDER}, newest {REVISION}\n  0006 Tasks that have failed for good.\n")
    assert (stamp(old), list(old.parent.glob("*.backup"))) == (OLDER, [])


def test_a_database_is_migrated_after_a_backup_and_read_again(old: Path) -> None:
    done = told("migrate", "--db", f"sqlite:///{old}")
    backup = old.parent / f"clew.db.{OLDER}.backup"
    assert (done["migrated"], done["backup"], done["schema"]) == (True, str(backup), OLDER)
    assert (stamp(old), stamp(backup)) == (REVISION, OLDER)
    assert "completed" in said("runs", "list", "--db", f"sqlite:///{old}")


def test_the_backup_is_the_way_back(old: Path) -> None:
    said("migrate", "--db", f"sqlite:///{old}", "--backup", old.parent / "before.db")
    said("restore", old.parent / "before.db", "--db", f"sqlite:///{old}", "--replace")
    assert stamp(old) == OLDER


def test_a_backup_that_is_there_is_not_written_over(old: Path) -> None:
    (old.parent / f"clew.db.{OLDER}.backup").write_text("the last one")
    result = clew("migrate", "--db", f"sqlite:///{old}")
    assert (result.exit_code, "exists already" in result.stderr, stamp(old)) == (1, True, OLDER)


def test_without_a_backup_none_is_written(old: Path) -> None:
    assert "backup none" in said("migrate", "--no-backup", "--db", f"sqlite:///{old}")
    assert (stamp(old), list(old.parent.glob("*.backup"))) == (REVISION, [])


def test_a_second_time_there_is_nothing_to_do(old: Path) -> None:
    said("migrate", "--no-backup", "--db", f"sqlite:///{old}")
    assert "nothing to do" in said("migrate", "--db", f"sqlite:///{old}")
    assert told("migrate", "--check", "--db", f"sqlite:///{old}")["pending"] == []


def test_while_a_server_has_it_only_looking_is_allowed(old: Path) -> None:
    lock = FileLock(old)
    lock.take()
    try:
        result = clew("migrate", "--db", f"sqlite:///{old}")
        looked = clew("migrate", "--check", "--db", f"sqlite:///{old}")
    finally:
        lock.release()
    assert (result.exit_code, f"pid {os.getpid()}" in result.stderr, stamp(old)) == (1, True, OLDER)
    assert "end that server first" in result.stderr
    assert OLDER in looked.stdout


def test_a_migration_that_fails_changes_nothing(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        connection.execute("CREATE TABLE probes (n INTEGER)")
    result = clew("migrate", "--db", f"sqlite:///{old}")
    assert (result.exit_code, "could not be migrated" in result.stderr, stamp(old)) == (1, True, OLDER)


def test_what_is_no_database_is_told_and_not_made(tmp_path: Path) -> None:
    result = clew("migrate", "--db", f"sqlite:///{tmp_path}/no.db")
    assert (result.exit_code, "does not exist" in result.stderr) == (1, True)
    (tmp_path / "empty.db").touch()
    assert clew("migrate", "--db", f"sqlite:///{tmp_path}/empty.db").exit_code == 1
    with closing(sqlite3.connect(tmp_path / "newer.db")) as connection:
        connection.executescript("CREATE TABLE meta (version_num TEXT); INSERT INTO meta VALUES ('9999');")
    newer = clew("migrate", "--db", f"sqlite:///{tmp_path}/newer.db")
    assert (newer.exit_code, "written by a newer one" in newer.stderr) == (1, True)
    assert clew("migrate").exit_code == 2
