"""What is too long to be held in memory and is needed again: kept in a file without a name, gone when it is closed."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

from engine.errors import StoreUnavailable
from engine.porting import reading
from engine.ports import Batch

IN_MEMORY = 1024 * 1024


class _InPassing:
    """A file without a name, in memory while it is short; gone when it is left."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - it is closed on leaving

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class Spool(_InPassing):
    """Bytes that are written once and then read line by line. Raises StoreUnavailable where there is no room."""

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, part: bytes) -> None:
        """Add bytes."""
        try:
            self._file.write(part)
        except OSError as error:
            raise no_room(error) from error
        self._hash.update(part)
        self.size += len(part)

    @property
    def digest(self) -> str:
        """The SHA-256 of all bytes, in hexadecimal."""
        return self._hash.hexdigest()

    def lines(self) -> Iterator[bytes]:
        """The lines with their ends, from the beginning. Who goes through them again begins anew."""
        self._file.seek(0)
        while line := self._file.readline(reading.MAX_LINE + 1):
            yield line


class BatchSpool(_InPassing):
    """Batches that are to be written one after another, once all of them are known."""

    def put(self, batch: Batch) -> None:
        """Add one."""
        try:
            pickle.dump(batch, self._file, pickle.HIGHEST_PROTOCOL)
        except OSError as error:
            raise no_room(error) from error

    def __iter__(self) -> Iterator[Batch]:
        self._file.seek(0)
        while True:
            try:
                batch: Batch = pickle.load(self._file)
            except EOFError:
                return
            yield batch


def no_room(error: OSError) -> StoreUnavailable:
    """What to tell where the disk for what is in passing takes nothing."""
    return StoreUnavailable(f"there is no room to keep what comes in: {error.strerror or error}")
