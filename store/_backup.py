"""Copies of a database file: taken beside a server that writes to it, put back, and written anew without gaps."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from engine.errors import Conflict, StoreUnavailable
from store import _artifact_rows as artifacts
from store import _schema
from store._artifact_files import ArtifactFiles, folder_of
from store._lock import FileLock
from store._sqlite import connect_writer, told

_BESIDE = ("-wal", "-shm", "-journal")


def write_backup(path: Path, target: Path) -> int:
    """Write all that is committed now to a new file, whole or not at all; returns its size in bytes.

    It is one read of the database at one moment, so nobody who writes is held up. Raises Conflict when the file is
    there already, StoreUnavailable when it cannot be written or read.
    """
    if target.exists():
        raise Conflict(f"{target} exists already; a backup replaces nothing", "backup.exists")
    _copy(path, target)
    return target.stat().st_size


def restore(backup: Path, path: Path, *, replace: bool = False) -> None:
    """Make the database at `path` the one of a backup. Raises StoreLocked while a server has it, Conflict when there is
    one and it is not to be replaced, StoreUnavailable for a backup that is damaged or none of ours."""
    lock = FileLock(path)
    lock.take()
    try:
        if path.exists() and not replace:
            message = f"{path} exists already; to put the backup in its place, give --replace"
            raise Conflict(message, "restore.exists")
        _require_ours(backup)
        _require_sound(backup)
        _copy(backup, path)
    finally:
        lock.release()


def compact(path: Path) -> tuple[int, int]:
    """Write a database file anew without the room of what was deleted; returns its size before and after, in bytes.
    Raises StoreLocked while a server has it."""
    lock = FileLock(path)
    lock.take()
    try:
        if not path.is_file():
            raise StoreUnavailable(f"{path} does not exist", path=str(path))
        before = path.stat().st_size
        with told(path), closing(connect_writer(path)) as connection:
            _schema.require_current(connection, path)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, path.stat().st_size
    finally:
        lock.release()


def _copy(source: Path, target: Path) -> None:
    """The copy appears under its name when it is durable; a copy that was broken off leaves nothing."""
    part = target.with_name(f"{target.name}.part")
    with _on_disk(target), told(source):
        part.unlink(missing_ok=True)
        try:
            with closing(open_to_read(source)) as connection:
                connection.execute("VACUUM INTO ?", (str(part),))
            _copy_artifacts(part, source, target)
            _sync(part)
            for ending in _BESIDE:  # they belong to the database that is replaced
                target.with_name(target.name + ending).unlink(missing_ok=True)
            part.replace(target)
            _sync(target.parent)
        finally:
            part.unlink(missing_ok=True)


def _copy_artifacts(part: Path, source: Path, target: Path) -> None:
    """Copy the files of the large artifacts that a copy knows, where they are not there yet."""
    with closing(open_to_read(part)) as connection:
        if connection.execute(artifacts.IS_THERE).fetchone() is not None:
            names = [name for (name,) in connection.execute(artifacts.FILED)]
            ArtifactFiles(folder_of(target)).copy_from(ArtifactFiles(folder_of(source)), names)


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, beside whoever writes. Raises StoreUnavailable for a file that is not there."""
    if not path.is_file():
        raise StoreUnavailable(f"{path} does not exist", path=str(path))
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)


def _require_ours(backup: Path) -> None:
    """Raise StoreUnavailable for a file that is there and that Clew has not written."""
    if backup.is_file():
        with closing(open_to_read(backup)) as connection:
            try:
                known = _schema.read_stamp(connection, backup) is not None
            except (sqlite3.DatabaseError, StoreUnavailable):
                known = False
        if not known:
            raise StoreUnavailable(f"{backup} is no backup of Clew: 'clew backup' writes them", path=str(backup))


def _require_sound(backup: Path) -> None:
    with told(backup), closing(open_to_read(backup)) as connection:
        _schema.require_known(connection, backup)
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreUnavailable(f"{backup} is damaged: {found}", path=str(backup))


@contextmanager
def _on_disk(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"cannot write {target}: {error.strerror or error}", path=str(target)) from error


def _sync(path: Path) -> None:
    with suppress(PermissionError):  # folders cannot be opened everywhere
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
