"""The log of all runs in SQLite: rows by their rowids, which say in which order they were written.

SQLite gives the rowid of a deleted last row again. Who has read up to there would never see what comes next, so the
highest rowid that there ever was is kept, beside those that SQLite keeps itself, and rows go on after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, and_, bindparam, literal_column, null, select

from engine.ports import CommitRow, LoggedCommit, LoggedEvent
from store import _rows as rows
from store._statements import first_rows, named, picked
from store._tables import commits, events

KEPT = "SELECT seq FROM sqlite_sequence WHERE name = :name"
_FORGET = "DELETE FROM sqlite_sequence WHERE name = :name"
_KEEP = "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :seq)"
LOGGED = (commits, events)


def _top(table: Table) -> str:
    return f"SELECT coalesce(max(rowid), 0) FROM {table.name}"


def _place(table: str) -> Any:
    return literal_column(f"{table}.rowid")


_before = commits.alias("before")
_earlier = and_(_before.c.run_key == commits.c.run_key, _before.c.seq == commits.c.seq - literal_column("1"))
_columns = [null() if name == "snapshot" else commits.c[name] for name in rows.COMMIT]
COMMITS = named(
    first_rows(
        select(*_columns, _place("commits"), _before.c.status)
        .select_from(commits.outerjoin(_before, _earlier))
        .where(_place("commits") > bindparam("after"))
        .order_by(_place("commits"))
    )
)
_newest = and_(commits.c.run_key == events.c.run_key, commits.c.seq == events.c.seq)
EVENTS = named(
    first_rows(
        select(*picked(events, rows.EVENT), _place("events"), _place("commits"), commits.c.status)
        .select_from(events.outerjoin(commits, _newest))
        .where(_place("events") > bindparam("after"))
        .order_by(_place("events"))
    )
)
END = tuple(_top(table) for table in LOGGED)


def commit_of(row: Sequence[Any]) -> LoggedCommit:
    """A commit of a row of COMMITS."""
    *columns, place, before = row
    return LoggedCommit(place=place, row=CommitRow._make(columns), before=before)


def event_of(row: Sequence[Any]) -> LoggedEvent:
    """An event of a row of EVENTS."""
    *columns, place, follows, status = row
    return LoggedEvent(place=place, row=rows.event_row(tuple(columns)), follows=follows or 0, status=status)


def end(read: Callable[..., Sequence[Sequence[Any]]]) -> tuple[int, int]:
    """The last places that were given, whether their rows are there or not."""
    kept = [max((row[0] for row in read(KEPT, name=table.name)), default=0) for table in LOGGED]
    tops = [read(text)[0][0] for text in END]
    return max(kept[0], tops[0]), max(kept[1], tops[1])


def keep_end(connection: sqlite3.Connection) -> None:
    """Keep the last places: rows are about to be deleted."""
    tops = end(lambda text, **given: connection.execute(text, given).fetchall())
    for table, top in zip(LOGGED, tops, strict=True):
        connection.execute(_FORGET, {"name": table.name})
        connection.execute(_KEEP, {"name": table.name, "seq": top})


def gaps(connection: sqlite3.Connection) -> dict[str, int]:
    """The kept places, by table, from which the next row would not go on by itself."""
    found = {}
    for table, text in zip(LOGGED, END, strict=True):
        kept = connection.execute(KEPT, {"name": table.name}).fetchone()
        if kept is not None and kept[0] > connection.execute(text).fetchone()[0]:
            found[table.name] = kept[0]
    return found
