"""The one connection that writes: transactions in turn, statements on the event loop, COMMIT in a thread.

Why so, and not otherwise, is measured in docs/adr/0003-committing.md.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from engine.errors import StoreUnavailable
from engine.ports import Batch
from store._commit import write
from store._handover import Handover
from store._log import gaps
from store._sqlite import connect_writer, primary_code, told

BUSY_S = 5.0
"""For how long a transaction waits for another program that is writing to the file."""
BUSY_STEP_S = 0.01


class Writer:
    """Writes to a database file; a transaction is either over or rolled back when the caller goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self.connection = connect_writer(path)
        self._thread = Handover("clew-commit")
        self._open = True
        self._gaps: dict[str, int] | None = None

    async def commit(self, batch: Batch, meanwhile: Callable[[], None] | None = None) -> None:
        """Write a batch durably; `meanwhile` is called beside the COMMIT. Whether one that is cancelled was written is
        not told; it was, or nothing of it."""
        async with self._transaction():
            if self._gaps is None:
                self._gaps = gaps(self.connection)
            write(self.connection, batch, self._gaps)
            await self._thread.run(self.connection.commit, meanwhile)
            if self._gaps:
                self._gaps = None
        await asyncio.sleep(0)  # a caller that commits again and again leaves room for others

    async def commit_all(self, batches: Iterable[Batch]) -> None:
        """Write batches durably, all of them or nothing. Others go on meanwhile, but for those who write."""
        async with self._transaction():
            self._gaps = None
            for batch in batches:
                write(self.connection, batch, gaps(self.connection))
                await asyncio.sleep(0)
            await self._thread.run(self.connection.commit)

    async def change(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do what is rare, or may take long, with its COMMIT in the thread."""

        def work_and_commit() -> None:
            work(self.connection)
            self.connection.commit()

        async with self._transaction():
            self._gaps = None
            await self._thread.run(work_and_commit)

    async def close(self) -> None:
        """Wait for the transaction under way, then close. Idempotent."""
        async with self._turn:
            if self._open:
                self._open = False
                try:
                    await self._thread.run(self.connection.close)
                finally:
                    self._thread.stop()

    def give_up(self) -> None:
        """Close a connection that has not written anything."""
        self._open = False
        self.connection.close()
        self._thread.stop()

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[None]:
        async with self._turn:
            if not self._open:
                raise StoreUnavailable(f"{self._path} is closed", path=str(self._path))
            with told(self._path):
                await self._begin()
                try:
                    yield
                finally:
                    if self.connection.in_transaction:
                        self.connection.rollback()

    async def _begin(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + BUSY_S
        while True:
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or loop.time() > until:
                    raise
            await asyncio.sleep(BUSY_STEP_S)
