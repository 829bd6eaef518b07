"""The schema of a database file: made from the tables when it is new, migrated when its stamp is an older one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.schema import CreateIndex, CreateTable

from engine.errors import StoreUnavailable
from store._statements import BY_NAME
from store._tables import REVISION, meta, metadata

_HERE = Path(__file__).parent
MIGRATIONS = next((f for f in (_HERE / "migrations", _HERE.parent / "migrations") if f.is_dir()), _HERE / "migrations")
"""Inside the package where it was installed from a wheel, next to it in a checkout."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema, or bring it to the newest revision. Raises StoreUnavailable for a file of something else, or of
    a newer version."""
    stamp = read_stamp(connection, path)
    if stamp is None:
        create(connection)
    elif stamp != REVISION:
        _require_known(stamp, path)
        upgrade(path)


def require_current(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreUnavailable unless the database can be read as it is."""
    stamp = read_stamp(connection, path)
    if stamp is None:
        raise StoreUnavailable(f"{path} is empty", path=str(path))
    if stamp != REVISION:
        _require_known(stamp, path)
        raise StoreUnavailable(
            f"{path} has the schema {stamp}, this version reads {REVISION}: run 'clew migrate' on it",
            path=str(path),
        )


def require_known(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreUnavailable unless the database is one of ours, of this version or an older one."""
    stamp = read_stamp(connection, path)
    if stamp is None:
        raise StoreUnavailable(f"{path} is empty", path=str(path))
    _require_known(stamp, path)


def read_stamp(connection: sqlite3.Connection, path: Path) -> str | None:
    """The revision of the schema, or None where there is nothing yet."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    stamps = connection.execute("SELECT * FROM meta").fetchall() if meta.name in tables else []
    if len(stamps) != 1:
        raise StoreUnavailable(f"{path} is a database, but none of Clew's", path=str(path))
    return str(stamps[0][0])


def create(connection: sqlite3.Connection) -> None:
    """Make all tables and stamp the database, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for table in metadata.sorted_tables:
            connection.execute(str(CreateTable(table).compile(dialect=BY_NAME)))
            for index in sorted(table.indexes, key=lambda index: str(index.name)):
                connection.execute(str(CreateIndex(index).compile(dialect=BY_NAME)))
        connection.execute("INSERT INTO meta (version_num) VALUES (?)", (REVISION,))
        connection.commit()
    finally:
        if connection.in_transaction:
            connection.rollback()


def upgrade(path: Path) -> None:
    """Migrate a database file to the newest revision, in one transaction. Raises StoreUnavailable, and changes nothing,
    when a migration fails."""
    from alembic import command
    from sqlalchemy.exc import DBAPIError

    try:
        with alembic_on(path) as config:
            command.upgrade(config, "head")
    except DBAPIError as error:
        raise StoreUnavailable(f"{path} could not be migrated: {error.orig}", path=str(path)) from error


@contextmanager
def alembic_on(path: Path) -> Iterator[Any]:
    """Alembic's configuration for a database file, in a transaction of its own."""
    from alembic.config import Config
    from sqlalchemy import NullPool, create_engine, event

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None), poolclass=NullPool)
    # SQLite's module would begin a transaction only at the first row that is written, and not for tables.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        yield config


def _require_known(stamp: str, path: Path) -> None:
    if not stamp.isdigit() or int(stamp) > int(REVISION):
        raise StoreUnavailable(
            f"{path} has the schema {stamp}, and this version knows {REVISION} at most: it was written by a newer one",
            path=str(path),
        )
