"""A SQLite file that is opened: to be written by one process at a time, or to be read only, beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import StoreUnavailable
from store import _changes as changes
from store import _rows as rows
from store import _schema
from store import _statements as sql
from store._address import path_of
from store._backup import write_backup
from store._lock import FileLock
from store._sqlite import Reader, connect_reader, told
from store._writer import Writer

T = TypeVar("T")


class SqliteFile:
    """How the store begins and ends, and how its parts read and write.

    With `readonly` it takes no lock, can be opened beside a server, and refuses every write.
    """

    def __init__(self, address: str | Path, *, readonly: bool = False) -> None:
        self.path = path_of(address)
        self._readonly = readonly
        self._lock = FileLock(self.path)
        self._writer: Writer | None = None
        self._reader: Reader | None = None

    async def open(self) -> None:
        with told(self.path):
            if self._readonly:
                self._open_to_read()
            else:
                self._open_to_write()

    def _open_to_read(self) -> None:
        if not self.path.is_file():
            raise StoreUnavailable(f"{self.path} does not exist", path=str(self.path))
        connection = connect_reader(self.path)
        try:
            _schema.require_current(connection, self.path)
        finally:
            connection.close()
        self._reader = Reader(self.path)

    def _open_to_write(self) -> None:
        if not self.path.parent.is_dir():  # of a path that is mistyped nothing is made
            message = f"there is no folder {self.path.parent}: make it first, or correct the path of the database"
            raise StoreUnavailable(message, path=str(self.path))
        self._lock.take()
        writer = None
        try:
            writer = Writer(self.path)
            _schema.prepare(writer.connection, self.path)
            self._reader = Reader(self.path)
            self._writer = writer
        finally:
            if self._writer is None:
                if writer is not None:
                    writer.give_up()
                self._lock.release()

    async def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
        if self._writer is not None:
            try:
                await self._writer.close()
            finally:
                self._writer = None
                self._lock.release()

    async def ping(self) -> None:
        self._read(sql.LAST_RUN_KEY)
        if not self.path.is_file():
            raise StoreUnavailable(f"{self.path} has been removed", path=str(self.path))

    async def probe(self) -> None:
        await self._write().change(changes.probe)

    async def backup(self, target: str) -> int:
        # one statement of SQLite's own, which needs no lock of the interpreter
        return await asyncio.to_thread(write_backup, self.path, Path(target))

    # ---- how to read and write

    def _write(self) -> Writer:
        if self._writer is None:
            why = "is opened to read only" if self._readonly else "is not open"
            raise StoreUnavailable(f"{self.path} {why}", path=str(self.path))
        return self._writer

    def _read(self, statement: str, **given: Any) -> list[Any]:
        return self._opened().rows(statement, given)

    def _read_at_once(self, statements: Iterable[str], **given: Any) -> list[list[Any]]:
        return self._opened().at_once(statements, given)

    def _opened(self) -> Reader:
        if self._reader is None:
            raise StoreUnavailable(f"{self.path} is not open", path=str(self.path))
        return self._reader

    def _one(self, convert: Callable[[rows.Row], T], statement: str, **given: Any) -> T | None:
        found = self._read(statement, **given)
        return convert(found[0]) if found else None
