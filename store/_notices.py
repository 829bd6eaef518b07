"""Notices in SQLite: added with the commits that they tell of, moved on one by one, listed newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from engine.notices import OPEN, Notice, NoticeFilter, NoticeStatus
from engine.ports import Batch
from store import _cursor as cursors
from store._cursor import Place
from store._statements import first_rows, named, ordered, picked
from store._tables import notices

_NAMES = tuple(field.name for field in fields(Notice))
_LISTED = tuple(name for name in _NAMES if name != "body")
_CHANGES = ("since", "due_at", "status", "attempts", "last_error", "ended_at", "body")
_values = attrgetter(*_NAMES)

_INSERT = ordered(insert(notices).values({name: bindparam(name) for name in _NAMES}), _NAMES)
_WITHDRAW = named(
    update(notices)
    .where(
        notices.c.run_key == bindparam("run"),
        notices.c.push == bindparam("webhook"),
        notices.c.status.in_([bindparam(f"open_{i}") for i in range(2)]),
    )
    .values(
        status=bindparam("withdrawn"), ended_at=bindparam("at"), due_at=bindparam("never"), body=bindparam("nothing")
    )
)
_same = [notices.c[name] == bindparam(f"was_{name}") for name in ("id", "status", "attempts", "since")]
_MOVE = named(update(notices).where(*_same).values({name: bindparam(f"new_{name}") for name in _CHANGES}))
ONE = named(select(*picked(notices, _NAMES)).where(notices.c.id == bindparam("notice")))

_for = (notices.c.run_key == bindparam("run_key"), notices.c.push == bindparam("push"))
_tried = select(*picked(notices, _NAMES)).where(*_for, notices.c.status == bindparam("status"))
NEXT = named(first_rows(_tried.order_by(notices.c.n)))


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Withdraw those of runs that have gone on, then add those of a batch."""
    if not (batch.notices or batch.notices_withdrawn):
        return
    given = {"withdrawn": NoticeStatus.WITHDRAWN, "never": None, "nothing": b"", "webhook": ""}
    given |= {"open_0": OPEN[0], "open_1": OPEN[1]}
    for run, at in batch.notices_withdrawn:
        connection.execute(_WITHDRAW, {"run": run, "at": at, **given})
    if batch.notices:
        connection.executemany(_INSERT, map(_values, batch.notices))


def move(was: Notice, now: Notice, moved: Callable[[bool], None]) -> Callable[[sqlite3.Connection], None]:
    """Write what has become of a notice that stands as it was, and tell whether it did."""
    given = {f"was_{name}": getattr(was, name) for name in ("id", "status", "attempts", "since")}
    given |= {f"new_{name}": getattr(now, name) for name in _CHANGES}

    def change(connection: sqlite3.Connection) -> None:
        moved(connection.execute(_MOVE, given).rowcount > 0)

    return change


@lru_cache(maxsize=8)
def _listed(used: tuple[str, ...]) -> str:
    conditions = {
        "status": notices.c.status == bindparam("status"),
        "run_key": notices.c.run_key == bindparam("run_key"),
        "push": notices.c.push == bindparam("push"),
        "after": notices.c.n < bindparam("after"),
    }
    found = select(*picked(notices, _LISTED), notices.c.n).where(*(conditions[name] for name in used))
    return named(first_rows(found.order_by(notices.c.n.desc())))


def query(where: NoticeFilter, limit: int, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a list, and its parameters."""
    given = {"status": where.status, "run_key": where.run_key, "push": where.push}
    given |= {"after": after[0] if after else None}
    found = {name: value for name, value in given.items() if value is not None}
    return _listed(tuple(found)), {**found, "limit": limit}


def page(found: Sequence[Sequence[Any]], limit: int) -> tuple[tuple[Notice, ...], str | None]:
    """A page of the rows that were found when one more was looked for."""
    made = cursors.page("notices", found, limit, lambda row: (row[-1],))
    return tuple(Notice(**dict(zip(_LISTED, row, strict=False))) for row in made.items), made.next_cursor


def notice_of(row: Sequence[Any]) -> Notice:
    """A notice of all its columns."""
    return Notice(**dict(zip(_NAMES, row, strict=True)))
