"""Where the bytes of large artifacts are, by their SHA-256: files beside the database, or objects elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

from engine.errors import StoreUnavailable
from store._artifact_files import ArtifactFiles, on_disk

PART = 256 * 1024
"""So many bytes are read at a time."""
WINDOW = 500
"""So many names at most are told in one go."""


class Shelf(Protocol):
    """A place for bytes, each whole under its name or not there. Every call raises StoreUnavailable."""

    async def claim(self, owner: str) -> None:
        """Have the place for one server alone. Raises StoreUnavailable where it cannot be used, or is another's."""

    async def adopt(self, coming: Path, sha256: str, size: int) -> None:
        """Take over a file that is whole; durable on return, and the file is gone."""

    def read(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        """The bytes from `first` to `last`, both included and both there, a part at a time."""

    async def remove(self, names: Sequence[str]) -> None:
        """Remove what is there of these."""

    def names(self) -> AsyncIterator[list[str]]:
        """The names of all that is there, some at a time."""


class FileShelf:
    """Files beside the database, which belong to whoever has the database."""

    def __init__(self, files: ArtifactFiles) -> None:
        self._files = files

    async def claim(self, owner: str) -> None:
        return None

    async def adopt(self, coming: Path, sha256: str, size: int) -> None:
        await asyncio.to_thread(self._files.adopt, coming, sha256)

    async def drop(self, coming: Path) -> None:
        """Remove a file that was on its way in."""
        with on_disk(self._files.folder):
            await asyncio.to_thread(coming.unlink, missing_ok=True)

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here."""
        return self._files.place_of(sha256).is_file()

    async def read(self, sha256: str, first: int, last: int) -> AsyncIterator[bytes]:
        if not self.has(sha256):
            raise not_there(sha256, f"{self._files.folder}; are they where an earlier start had --artifacts?")
        size = last - first + 1
        with on_disk(self._files.folder):
            file = await asyncio.to_thread(self._files.place_of(sha256).open, "rb")
            try:
                file.seek(first)
                while size > 0 and (part := await asyncio.to_thread(file.read, min(PART, size))):
                    size -= len(part)
                    yield part
            finally:
                file.close()

    async def remove(self, names: Sequence[str]) -> None:
        await asyncio.to_thread(self._files.remove, names)

    async def names(self) -> AsyncIterator[list[str]]:
        found = self._files.names()
        while some := await asyncio.to_thread(lambda: list(islice(found, WINDOW))):
            yield some


def not_there(sha256: str, where: str) -> StoreUnavailable:
    """The bytes of an artifact that is known are gone."""
    return StoreUnavailable(f"the bytes of artifact '{sha256}' are not in {where}", path=sha256)
