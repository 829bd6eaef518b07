"""Raw SQLite connections: how they are set up, how their errors are told, and the reading side."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from engine.driver.pace import Pace
from engine.errors import StoreFull, StoreUnavailable

WRITER_CACHE_KIB = 64 * 1024
READER_CACHE_KIB = 16 * 1024
WAL_KEPT_BYTES = 64 * 1024 * 1024
BUSY_MS = 250
SLICE = 100
"""So many rows are read in one go."""

T = TypeVar("T")

_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOTADB,
    }
)  # fmt: skip


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code of an error; 0 for an error of Python's module itself."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell a disk that is full or fails, a lock or a broken file as StoreUnavailable; let other errors through."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if primary_code(error) not in _UNAVAILABLE:
            raise
        kind = StoreFull if primary_code(error) == sqlite3.SQLITE_FULL else StoreUnavailable
        raise kind(f"{path}: {error}", path=str(path), sqlite=error.sqlite_errorname) from error


def _connect(path: Path, mode: str, busy_ms: int, *pragmas: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=busy_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes: durable at COMMIT. It never waits for a lock by itself, as it is used on the loop."""
    return _connect(
        path,
        "rwc",
        BUSY_MS,
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",
        "foreign_keys = ON",
        f"cache_size = -{WRITER_CACHE_KIB}",
        f"journal_size_limit = {WAL_KEPT_BYTES}",
        "busy_timeout = 0",
    )


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, for statements that are transactions of their own."""
    return _connect(path, "ro", BUSY_MS, "query_only = ON", f"cache_size = -{READER_CACHE_KIB}")


class Reader:
    """Reads what is committed, at once, on the event loop. Each read has to be short; long lists are read in slices.

    A thread would fetch a page of fifty rows in seconds beside a busy loop, because it needs the interpreter's lock for
    each row. Statements are fetched to their end, so that no read transaction outlives a call.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_reader(path)

    def rows(self, statement: str, given: Mapping[str, Any]) -> list[Any]:
        """The rows of a statement with these parameters."""
        with told(self._path):
            return self._connection.execute(statement, given).fetchall()

    def at_once(self, statements: Iterable[str], given: Mapping[str, Any]) -> list[list[Any]]:
        """The rows of several statements, all read at one moment."""
        with told(self._path):
            self._connection.execute("BEGIN")
            try:
                return [self._connection.execute(statement, given).fetchall() for statement in statements]
            finally:
                self._connection.rollback()

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()


async def in_slices(limit: int, read: Callable[[int, T | None], list[T]]) -> list[T]:
    """At most `limit` items, by several short reads: `read` gives the next items, so many at most, after this one.

    Now and then, between two reads, the event loop does other things.
    """
    pace, found = Pace(), list[T]()
    while len(found) < limit:
        wanted = min(SLICE, limit - len(found))
        part = read(wanted, found[-1] if found else None)
        found += part
        if len(part) < wanted:
            break
        await pace.rest()
    return found
