"""The lock by which one process serves a database file; the operating system takes it back when the process dies."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from engine.errors import StoreLocked, StoreUnavailable

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the pid, which others have to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """A lock on `<path>-lock`. The file holds the pid of whoever has the lock, and stays behind when it is released:
    removing it would let two processes lock two files of the same name."""

    def __init__(self, path: Path) -> None:
        self._served = path
        self._path = path.with_name(path.name + "-lock")
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises StoreLocked when another one has it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreUnavailable(f"cannot make the lock file {self._path}: {error.strerror}") from error
        try:
            _take(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise self._locked() from error
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def holder(self) -> StoreLocked | None:
        """What `take` would raise where another one has the lock; None where nobody has it. Makes no file."""
        if not self._path.exists():
            return None
        try:
            self.take()
        except StoreLocked as error:
            return error
        self.release()
        return None

    def release(self) -> None:
        """Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked(self) -> StoreLocked:
        pid = ""
        with suppress(OSError, UnicodeDecodeError):
            pid = self._path.read_text(encoding="ascii").strip()
        who = f"the process with pid {pid}" if pid else "another process"
        return StoreLocked(
            f"{self._served} is already served by {who} (lock file {self._path}); one process serves a database file",
            path=str(self._served),
            pid=int(pid) if pid.isdigit() else None,
        )
