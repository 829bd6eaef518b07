"""The machine: Python, SQLite, and the clock."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from api.doctor.finding import Finding, fail, ok, warn
from engine.times import rfc3339

OLDEST_PYTHON = 3, 11
OLDEST_SQLITE = 3, 27, 0
"""The first one with VACUUM INTO, which backups are written by."""
SKEW_MS = 5_000


def machine() -> Iterator[Finding]:
    """What this process runs on."""
    yield python(sys.version_info[:3])
    yield sqlite(sqlite3.sqlite_version_info)


def python(version: tuple[int, ...]) -> Finding:
    """Whether Clew runs on this version of Python."""
    text = f"{'.'.join(map(str, version))} ({sys.executable})"
    if version < OLDEST_PYTHON:
        return fail("python", text, "install Python 3.11 or newer, and Clew into an environment of it")
    return ok("python", text)


def sqlite(version: tuple[int, ...]) -> Finding:
    """Whether Python's SQLite can do what the store asks of it."""
    text = ".".join(map(str, version))
    if version < OLDEST_SQLITE:
        return fail("sqlite", f"{text} cannot write backups", "use a Python that is built with SQLite 3.27 or newer")
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("SELECT count(*) FROM json_each('[1]')")
    except sqlite3.OperationalError:
        return fail("sqlite", f"{text} was built without JSON", "use a Python whose SQLite has JSON functions")
    finally:
        connection.close()
    return ok("sqlite", text)


def clock_since(newest: int, now: int) -> Finding:
    """Whether the clock stands behind the newest run of the database. Both are milliseconds since the epoch."""
    if newest > now + SKEW_MS:
        said = f"it is {rfc3339(now)} here, and the newest run began at {rfc3339(newest)}: the clock was set back"
        return warn(
            "clock", said, "set it right; until then timers fire late, and new runs are listed below older ones"
        )
    return ok("clock", f"{rfc3339(now)}, not before the newest run")


def clock_of_server(date: str | None, now: int) -> Finding | None:
    """Whether the clock of a server, in the `Date` of its answer, agrees with ours; None where it does not say."""
    try:
        told = int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except ValueError:
        return None
    apart = (now - told) // 1000
    if abs(now - told) > SKEW_MS:
        late = "behind" if apart > 0 else "ahead of"
        return warn("clock", f"the server's clock is {abs(apart)} s {late} this one", "set both by NTP")
    return ok("clock", "the server's is the same as this one")
