"""Pushes in SQLite: written with their runs, and as a whole where some of a run come or go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from sqlalchemy import bindparam, delete, select, update

from engine.model import RunHead
from engine.notices import OPEN, NoticeStatus
from engine.ports import Batch
from store import _rows as rows
from store._statements import insert_into, named, ordered
from store._tables import notices, pushes

_INSERT = insert_into(pushes, ("run_key", *rows.PUSH))
_CLEAR = ordered(delete(pushes).where(pushes.c.run_key == bindparam("run")), ["run"])
_open = notices.c.status.in_([bindparam(f"open_{i}") for i in range(len(OPEN))])
_of_run = notices.c.run_key == bindparam("run")
_MOVE = named(update(notices).where(_of_run, notices.c.push == bindparam("to"), _open).values(url=bindparam("new_url")))
_left = select(pushes.c.id).where(pushes.c.run_key == bindparam("run"))
_WITHDRAW = named(
    update(notices)
    .where(_of_run, notices.c.push != bindparam("webhook"), notices.c.push.not_in(_left), _open)
    .values(
        status=bindparam("withdrawn"), ended_at=bindparam("at"), due_at=bindparam("never"), body=bindparam("nothing")
    )
)


def add(connection: sqlite3.Connection, heads: Iterable[RunHead]) -> None:
    """Write the pushes that new runs begin with."""
    if found := [row for head in heads if head.pushes for row in rows.push_values(head.key, head.pushes)]:
        connection.executemany(_INSERT, found)


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Give runs the pushes that they have from now on, and take what was to be told along."""
    opened = {f"open_{i}": status for i, status in enumerate(OPEN)}
    gone = {"webhook": "", "withdrawn": NoticeStatus.WITHDRAWN, "never": None, "nothing": b"", **opened}
    for run, (found, at) in batch.pushes.items():
        connection.execute(_CLEAR, (run,))
        connection.executemany(_INSERT, rows.push_values(run, found))
        for push in found:
            connection.execute(_MOVE, {"run": run, "to": push.id, "new_url": push.url, **opened})
        connection.execute(_WITHDRAW, {"run": run, "at": at, **gone})
