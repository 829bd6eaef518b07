"""The database file: whether it is there and ours, who has it, whether it is whole, and how much room it has."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from api.doctor.finding import CannotLook, Finding, fail, failing, ok, size_text, warn
from api.doctor.machine import clock_since
from engine.errors import EngineError
from store._address import path_of
from store._backup import open_to_read
from store._lock import FileLock
from store._migrate import state_of
from store._sqlite import WAL_KEPT_BYTES, told

MIB = 1024 * 1024
TIGHT_BYTES, LOW_BYTES = 64 * MIB, 1024 * MIB
"""Room on the disk below which commits are about to fail, and below which somebody should know."""
LARGE_WAL_BYTES = 4 * WAL_KEPT_BYTES
SHOWN = 5
"""How many faults of a damaged file are told."""


def database(address: str, now: int) -> Iterator[Finding]:
    """What is to be said of a database. `now` is milliseconds since the epoch."""
    if address.startswith("memory:"):
        yield warn("database", "it is in memory", "nothing outlives the server; name a file with --db sqlite:///FILE")
        return
    try:
        with failing("database", "give --db sqlite:///FILE"):
            path = path_of(address)
        yield from _file(path, now)
    except CannotLook as error:
        yield error.finding


def _file(path: Path, now: int) -> Iterator[Finding]:
    yield _place(path)
    yield room(path, shutil.disk_usage(path.parent).free)
    if path.is_file():
        yield _schema(path)
        yield _lock(path)
        yield _wal(path)
        yield _mode(path)
        yield from _newest(path, now)
        yield _integrity(path)


def _place(path: Path) -> Finding:
    if not path.parent.is_dir():
        raise CannotLook(fail("database", f"there is no folder {path.parent}", "make it, or give another --db"))
    if not path.exists():
        return warn("database", f"{path} does not exist", "'clew serve' makes it; or give the right one with --db")
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            return fail("database", f"this user cannot write {place}", f"give the user of the server {place}")
    return ok("database", f"{path}, {size_text(path.stat().st_size)}")


def room(path: Path, free: int) -> Finding:
    """Whether so many free bytes on its disk are enough for a database."""
    size = path.stat().st_size if path.is_file() else 0
    said = f"{size_text(free)} free in {path.parent}"
    if free < TIGHT_BYTES:
        return fail("disk", said, "make room: commits stop when the disk is full, and nothing is lost until then")
    if free < max(LOW_BYTES, size):
        return warn("disk", said, "make room soon; a backup beside it and 'clew compact' need as much as the database")
    return ok("disk", said)


def _schema(path: Path) -> Finding:
    with failing("schema", "give the file of a Clew database, or the newest Clew"):
        state = state_of(path)
    if state.pending:
        said = f"{state.found}, and this version reads {state.newest}"
        return fail("schema", said, f"end the server, then: clew migrate --db sqlite:///{path}")
    return ok("schema", f"{state.found}, the newest")


def _lock(path: Path) -> Finding:
    """Who serves a database now."""
    try:
        holder = FileLock(path).holder()
    except EngineError as error:
        return warn("lock", error.message, "look as the user of the server")
    if holder is None:
        return ok("lock", "nobody serves it")
    return ok("lock", f"the process with pid {holder.details['pid']} serves it")


def is_served(address: str) -> bool:
    """Whether a process has the lock of a database."""
    try:
        return FileLock(path_of(address)).holder() is not None
    except EngineError:
        return False


def _wal(path: Path) -> Finding:
    wal = path.with_name(f"{path.name}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_WAL_BYTES:
        advice = "end whoever has read the file for so long (a copy, a shell of sqlite3), or restart the server"
        return warn("wal", f"{size_text(size)} wait to be put into the file", advice)
    return ok("wal", f"{size_text(size)} wait to be put into the file")


def _mode(path: Path) -> Finding:
    [[mode]] = _asked(path, "settings", "PRAGMA journal_mode")
    if mode != "wal":
        return warn("settings", f"journal_mode is {mode}", "the server sets it to wal when it starts: start it once")
    return ok("settings", f"journal_mode is {mode}")


def _newest(path: Path, now: int) -> Iterator[Finding]:
    for (newest,) in _asked(path, "clock", "SELECT created_at FROM runs ORDER BY created_at DESC LIMIT 1"):
        yield clock_since(newest, now)


def _integrity(path: Path) -> Finding:
    begun = time.perf_counter()
    faults = [fault for (fault,) in _asked(path, "integrity", f"PRAGMA quick_check({SHOWN})")]
    took = time.perf_counter() - begun
    if faults != ["ok"]:
        advice = "end the server, keep the file, and put back a backup: clew restore FILE --replace"
        return fail("integrity", f"the file is damaged: {'; '.join(faults)}", advice)
    return ok("integrity", f"quick_check found nothing wrong, in {took:.1f} s")


def _asked(path: Path, check: str, statement: str) -> list[tuple[Any, ...]]:
    try:
        with (
            failing(check, "look whether it is the right file, and whole; else put back a backup"),
            told(path),
            closing(open_to_read(path)) as connection,
        ):
            return connection.execute(statement).fetchall()
    except sqlite3.OperationalError as error:
        raise CannotLook(fail(check, f"{path}: {error}", "bring the schema to the newest first")) from error
