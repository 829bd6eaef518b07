"""The schema of a SQLite file: made at once when it is new, migrated when it is older, refused when it is not ours."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from engine.errors import StoreUnavailable
from store import _schema
from store._tables import REVISION
from store.sql import SqliteStore
from tests.contract.samples import commit, created, run, step

ROOT = Path(__file__).parents[2]


def schema_of(path: Path) -> dict[tuple[str, str], str]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    connection.close()
    return {(kind, name): " ".join((sql or "").split()) for kind, name, sql in found}


def query(path: Path, text: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path, isolation_level=None)
    found = connection.execute(text).fetchall()
    connection.close()
    return found


async def new_database(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    await store.commit(created(run(1)))
    await store.close()


async def test_migrating_from_nothing_gives_the_schema_of_the_tables(tmp_path: Path) -> None:
    await new_database(tmp_path / "made.db")
    _schema.upgrade(tmp_path / "migrated.db")
    assert schema_of(tmp_path / "migrated.db") == schema_of(tmp_path / "made.db")
    assert query(tmp_path / "migrated.db", "SELECT * FROM meta") == query(tmp_path / "made.db", "SELECT * FROM meta")


def test_the_tables_are_those_of_the_newest_migration(tmp_path: Path) -> None:
    from alembic.script import ScriptDirectory

    with _schema.alembic_on(tmp_path / "clew.db") as config:
        assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_migrations_can_be_taken_back(tmp_path: Path) -> None:
    from alembic import command

    path = tmp_path / "clew.db"
    _schema.upgrade(path)
    with _schema.alembic_on(path) as config:
        command.downgrade(config, "base")
    tables = {name for kind, name in schema_of(path) if kind == "table" and not name.startswith("sqlite_")}
    assert tables == {"meta"}
    assert query(path, "SELECT * FROM meta") == []


def test_alembic_is_not_loaded_for_a_database_that_is_new_or_current(tmp_path: Path) -> None:
    code = """
        import asyncio, sys
        from store.sql import SqliteStore

        async def go():
            for _ in range(2):
                store = SqliteStore(sys.argv[1])
                await store.open()
                await store.close()

        asyncio.run(go())
        print("alembic" in sys.modules, "sqlalchemy.orm" in sys.modules)
    """
    told = subprocess.run(
        [sys.executable, "-c", dedent(code), tmp_path / "clew.db"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert told.stdout == "False False\n"


# ---- older databases

NEXT = '''
"""A later version."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "9998", "{before}"


def upgrade() -> None:
    op.add_column("runs", sa.Column("colour", sa.Text))
    op.execute("{then}")
'''


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The migrations of a later version, without the file of its newest."""
    folder = tmp_path / "later % version"
    shutil.copytree(_schema.MIGRATIONS, folder)
    monkeypatch.setattr(_schema, "MIGRATIONS", folder)
    monkeypatch.setattr(_schema, "REVISION", "9998")
    return folder / "versions" / "9998_later.py"


async def test_an_older_database_is_migrated(tmp_path: Path, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "REVISION", REVISION)
        await new_database(tmp_path / "clew.db")
    later.write_text(NEXT.format(before=REVISION, then="UPDATE runs SET colour = 'blue'"))
    store = SqliteStore(tmp_path / "clew.db")
    await store.open()
    assert await store.run_by_key(1) == run(1)
    await store.close()
    assert query(store.path, "SELECT version_num, colour FROM meta, runs") == [("9998", "blue")]


async def test_runs_of_an_older_database_were_started_by_whom_their_first_commit_names(tmp_path: Path) -> None:
    from alembic import command

    path = tmp_path / "clew.db"
    started = {1: "a2a", 2: "api", 3: "engine"}
    store = SqliteStore(path)
    await store.open()
    await store.commit(created(*map(run, started), run(4)))
    for key, by in started.items():
        first = replace(step(run(key), 1), commits=[commit(key, 1, actor=by)])
        await store.commit(first)
        await store.commit(step(run(key), 2))
    await store.close()
    with _schema.alembic_on(path) as config:
        command.downgrade(config, "0016")
        command.upgrade(config, "head")
    assert query(path, 'SELECT run_key, "trigger" FROM run_inputs') == [(1, "a2a"), (2, None), (3, None), (4, None)]


async def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clew.db"
    with monkeypatch.context() as patch:
        patch.setattr(_schema, "REVISION", REVISION)
        await new_database(path)
    before = schema_of(path)
    later.write_text(NEXT.format(before=REVISION, then="UPDATE no_such_table SET a = 1"))
    with pytest.raises(StoreUnavailable, match="no_such_table"):
        await SqliteStore(path).open()
    assert schema_of(path) == before
    assert query(path, "SELECT * FROM meta") == [(REVISION,)]


# ---- databases that cannot be read


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        pytest.param("UPDATE meta SET version_num = '9999'", "newer", id="a newer version"),
        pytest.param("UPDATE meta SET version_num = 'x-1'", "newer", id="a stamp of another kind"),
        pytest.param("DELETE FROM meta", "none of Clew's", id="no stamp"),
        pytest.param("DROP TABLE meta", "none of Clew's", id="no table for it"),
    ],
)
async def test_a_database_of_another_kind_is_left_alone(tmp_path: Path, change: str, told: str, readonly: bool) -> None:
    path = tmp_path / "clew.db"
    await new_database(path)
    query(path, change)
    before = schema_of(path)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=told):
            await SqliteStore(path, readonly=readonly).open()
    assert schema_of(path) == before


async def test_a_reader_does_not_migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await new_database(tmp_path / "clew.db")
    monkeypatch.setattr(_schema, "REVISION", "9998")
    with pytest.raises(StoreUnavailable, match="run 'clew migrate'"):
        await SqliteStore(tmp_path / "clew.db", readonly=True).open()
    assert query(tmp_path / "clew.db", "SELECT * FROM meta") == [(REVISION,)]


async def test_an_empty_file_is_a_new_database_but_not_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "clew.db"
    path.touch()
    with pytest.raises(StoreUnavailable, match="empty"):
        await SqliteStore(path, readonly=True).open()
    await new_database(path)
    assert query(path, "SELECT * FROM meta") == [(REVISION,)]
