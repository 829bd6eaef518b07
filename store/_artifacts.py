"""The part of the SQLite store that keeps artifacts: small ones as rows, large ones as files beside the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from engine.artifacts import Artifact, Lease, Totals, Upload
from store import _artifact_rows as sql
from store import _cursor as cursors
from store._artifact_files import ArtifactFiles, folder_of, on_disk
from store._artifact_upload import Arrived, Receiving
from store._errors import no_artifact
from store._json import to_text
from store._sqlite_file import SqliteFile

PART = 256 * 1024
"""So many bytes are read at a time."""
WINDOW = 500
"""So many rows are looked through in one go, and at most so many files."""
FEW = 50
"""So many artifacts at most are deleted in one transaction."""


class SqliteArtifacts(SqliteFile):
    """A row is there only while its bytes are: files come before their rows and go after them. `_naming` keeps
    who names a file and who removes it from doing so at once."""

    def __init__(self, address: str | Path, *, readonly: bool = False) -> None:
        super().__init__(address, readonly=readonly)
        self._files = ArtifactFiles(folder_of(self.path))
        self._naming = asyncio.Lock()
        self._swept = False

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Upload]:
        self._write()
        upload = Receiving(self._files, self._keep)
        try:
            yield upload
        finally:
            await asyncio.shield(upload.close())

    async def _keep(self, arrived: Arrived, lease: Lease) -> Artifact:
        async with self._naming:
            if arrived.file is not None:
                await asyncio.to_thread(self._files.adopt, arrived.file, arrived.sha256)
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
        await self._artifact(sha256)
        size = max(last - first + 1, 0)
        if rows := self._read(sql.CONTENT, name=sha256, start=first + 1, size=size):
            content = rows[0][0] or b""
            for start in range(0, len(content), PART):
                yield content[start : start + PART]
            return
        with on_disk(self._files.folder):
            file = await asyncio.to_thread(self._files.place_of(sha256).open, "rb")
            try:
                file.seek(first)
                while size > 0 and (part := await asyncio.to_thread(file.read, min(PART, size))):
                    size -= len(part)
                    yield part
            finally:
                file.close()

    async def hold_artifacts(self, names: Iterable[str], until: int) -> set[str]:
        missing: list[set[str]] = []
        await self._write().change(sql.hold(names, until, missing.append))
        return missing[0]

    async def touch_artifact(self, sha256: str, expires_at: int) -> Artifact:
        await self._write().change(sql.touch(sha256, expires_at))
        return await self._artifact(sha256)

    async def delete_artifact(self, sha256: str, now: int) -> None:
        async with self._naming:
            await self._write().change(sql.remove(sha256, now))
            await asyncio.to_thread(self._files.remove, [sha256])

    # ---- what nobody needs any more

    async def collect_artifacts(self, now: int) -> int:
        if not self._swept:
            await self._sweep_files()
            self._swept = True
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
        async with self._naming:
            await self._write().change(sql.collect(names, now, gone.extend))
            await asyncio.to_thread(self._files.remove, gone)
        return len(gone)

    async def _sweep_files(self) -> None:
        """Remove files without a row: a crash came between the two."""
        names = self._files.names()
        while some := await asyncio.to_thread(lambda: list(islice(names, WINDOW))):
            async with self._naming:
                known = {name for (name,) in self._read(sql.KNOWN, names=to_text(some))}
                await asyncio.to_thread(self._files.remove, [name for name in some if name not in known])

    def _open_to_write(self) -> None:
        super()._open_to_write()
        self._files.forget_coming()
