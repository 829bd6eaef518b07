"""The part of the SQLite store that keeps artifacts: small ones as rows, large ones as files or as objects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from engine.artifacts import Artifact, Lease, Totals, Upload
from store import _artifact_rows as sql
from store import _cursor as cursors
from store._artifact_files import ArtifactFiles, folder_of
from store._artifact_locks import NameLocks
from store._artifact_objects import ObjectShelf
from store._artifact_shelf import FileShelf, Shelf
from store._artifact_upload import Arrived, Receiving
from store._errors import no_artifact
from store._json import to_text
from store._sqlite_file import SqliteFile

PART = 256 * 1024
"""So many bytes are read at a time."""
WINDOW = 500
"""So many rows are looked through in one go."""
FEW = 50
"""So many artifacts at most are deleted in one transaction."""


class SqliteArtifacts(SqliteFile):
    """A row is there only while its bytes are: these come before their rows and go after them. `_names` keeps who
    brings bytes and who removes them from doing so at once. With `artifacts` large ones are objects there, and no files
    beside the database; those that were files before stay so."""

    def __init__(self, address: str | Path, *, readonly: bool = False, artifacts: str | None = None) -> None:
        super().__init__(address, readonly=readonly)
        self._files = ArtifactFiles(folder_of(self.path))
        beside = FileShelf(self._files)
        self._shelf: Shelf = beside if artifacts is None else ObjectShelf(artifacts, beside)
        self._names = NameLocks()
        self._swept = False

    async def claim_artifacts(self, owner: str) -> None:
        await self._shelf.claim(owner)

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Upload]:
        self._write()
        upload = Receiving(self._files, self._keep)
        try:
            yield upload
        finally:
            await asyncio.shield(upload.close())

    async def _keep(self, arrived: Arrived, lease: Lease) -> Artifact:
        async with self._names.held(arrived.sha256):
            with self._swept_again():
                if arrived.file is not None:
                    await self._shelf.adopt(arrived.file, arrived.sha256, arrived.size)
                await self._write().change(sql.put(arrived, lease))
        return await self._artifact(arrived.sha256)

    async def artifact(self, sha256: str) -> Artifact | None:
        return self._one(sql.artifact_of, sql.ONE, name=sha256)

    async def _artifact(self, sha256: str) -> Artifact:
        if (found := await self.artifact(sha256)) is None:
            raise no_artifact(sha256)
        return found

    async def artifacts(
        self, limit: int, cursor: str | None, run_key: int | None = None
    ) -> tuple[tuple[Artifact, ...], str | None]:
        text, given = sql.query(run_key, limit + 1, cursors.read("artifacts", cursor, int))
        return sql.page(self._read(text, **given), limit)

    async def artifact_totals(self, run_key: int) -> Totals:
        return sql.totals_of(self._read(sql.TOTALS, run_key=run_key)[0])

    async def read_artifact(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        last = min(last, (await self._artifact(sha256)).size - 1)
        if rows := self._read(sql.CONTENT, name=sha256, start=first + 1, size=max(last - first + 1, 0)):
            content = rows[0][0] or b""
            for start in range(0, len(content), PART):
                yield content[start : start + PART]
            return
        async for part in self._shelf.read(sha256, first, last):
            yield part

    async def hold_artifacts(self, names: Iterable[str], until: int) -> set[str]:
        missing: list[set[str]] = []
        await self._write().change(sql.hold(names, until, missing.append))
        return missing[0]

    async def touch_artifact(self, sha256: str, expires_at: int) -> Artifact:
        await self._write().change(sql.touch(sha256, expires_at))
        return await self._artifact(sha256)

    async def delete_artifact(self, sha256: str, now: int) -> None:
        async with self._names.held(sha256):
            await self._write().change(sql.remove(sha256, now))
            with self._swept_again():
                await self._shelf.remove([sha256])

    # ---- what nobody needs any more

    async def collect_artifacts(self, now: int) -> int:
        if not self._swept:
            self._swept = True
            with self._swept_again():
                await self._sweep()
        deleted, first = 0, 1
        end = int(self._read(sql.LAST)[0][0])
        while first <= end:
            found = self._read(sql.OVER, now=now, first=first, last=first + WINDOW - 1)
            names = [name for (name,) in found]
            for start in range(0, len(names), FEW):
                deleted += await self._collect(names[start : start + FEW], now)
            first += WINDOW
            await asyncio.sleep(0)
        return deleted

    async def _collect(self, names: list[str], now: int) -> int:
        gone: list[str] = []
        async with self._names.held(*names):
            await self._write().change(sql.collect(names, now, gone.extend))
            with self._swept_again():
                await self._shelf.remove(gone)
        return len(gone)

    async def _sweep(self) -> None:
        """Remove bytes without a row: a crash, or a fault of where they are, came between the two."""
        async for some in self._shelf.names():
            if strangers := self._unknown(some):
                async with self._names.held(*strangers):
                    await self._shelf.remove(self._unknown(strangers))

    def _unknown(self, names: list[str]) -> list[str]:
        known = {name for (name,) in self._read(sql.KNOWN, names=to_text(names))}
        return [name for name in names if name not in known]

    @contextmanager
    def _swept_again(self) -> Iterator[None]:
        """What is broken off here may leave bytes behind: they are looked for again."""
        try:
            yield
        except BaseException:
            self._swept = False
            raise

    def _open_to_write(self) -> None:
        super()._open_to_write()
        self._files.forget_coming()
