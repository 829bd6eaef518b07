"""An artifact on its way in: in memory while it is small, then in a file that is not whole yet."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from threading import Lock

from engine.artifacts import Artifact, Lease
from engine.values import dataclass
from store._artifact_files import ArtifactFiles, on_disk

IN_DATABASE = 1024 * 1024
"""Artifacts of at most so many bytes are rows of the database; the others are files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """All bytes of an artifact: either `content`, or a file that is whole and on the disk, and has no name yet."""

    sha256: str
    size: int
    media_type: str
    content: bytes | None
    file: Path | None


Keep = Callable[[Arrived, Lease], Awaitable[Artifact]]


class Receiving:
    """Implements `engine.artifacts.Upload`: bytes are hashed and written away in a thread, some at a time."""

    def __init__(self, files: ArtifactFiles | None, keep: Keep) -> None:
        self._files, self._keep = files, keep
        self._hash, self._parts = hashlib.sha256(), list[bytes]()
        self._waiting, self._size = 0, 0
        self._number: int | None = None
        self._coming: Path | None = None
        self._disk = Lock()  # a thread that nobody waits for any more still has its turn

    async def write(self, part: bytes) -> None:
        self._parts.append(part)
        self._waiting += len(part)
        self._size += len(part)
        if self._files is not None and self._waiting > IN_DATABASE:
            await asyncio.to_thread(self._locked, self._put_aside, self._files)

    async def finish(self, media_type: str, lease: Lease) -> Artifact:
        if self._files is not None and self._number is not None:
            await asyncio.to_thread(self._locked, self._complete, self._files)
            content = None
        else:
            content = b"".join(self._parts)
            self._hash.update(content)
        sha256, size = self._hash.hexdigest(), self._size
        arrived = Arrived(sha256=sha256, size=size, media_type=media_type, content=content, file=self._coming)
        found = await self._keep(arrived, lease)
        self._coming = None
        return found

    async def close(self) -> None:
        """Leave nothing of what was not finished. Idempotent."""
        self._parts.clear()
        if self._files is not None and (self._number is not None or self._coming is not None):
            await asyncio.to_thread(self._locked, self._discard, self._files)

    def _locked(self, work: Callable[[ArtifactFiles], None], files: ArtifactFiles) -> None:
        with self._disk:
            work(files)

    def _put_aside(self, files: ArtifactFiles) -> None:
        if self._number is None:
            self._number, self._coming = files.begin()
        text = b"".join(self._parts)
        self._parts.clear()
        self._waiting = 0
        self._hash.update(text)
        with on_disk(files.folder):
            view = memoryview(text)
            while view:
                view = view[os.write(self._number, view) :]

    def _complete(self, files: ArtifactFiles) -> None:
        self._put_aside(files)
        assert self._number is not None
        with on_disk(files.folder):
            os.fsync(self._number)
            os.close(self._number)
        self._number = None

    def _discard(self, files: ArtifactFiles) -> None:
        if self._number is not None:
            os.close(self._number)
            self._number = None
        if self._coming is not None:
            with on_disk(files.folder):
                self._coming.unlink(missing_ok=True)
            self._coming = None
