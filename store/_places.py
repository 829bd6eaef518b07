"""The places of runs among others in SQLite: written with the run, and what changes of them with its row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from sqlalchemy import bindparam, select, update
from sqlalchemy import literal_column as number

from engine.model import RunHead, RunStatus
from engine.places import Contender
from store import _rows as rows
from store._statements import insert_into, named, ordered
from store._tables import holds, places, runs, seats

_INSERT = insert_into(places, rows.PLACE)
_SAY_WHY = ordered(
    update(places).where(places.c.run_key == bindparam("run")).values(reason=bindparam("new_reason")),
    ["new_reason", "run"],
)
_QUEUED = RunStatus.QUEUED.value
_HOLDING = (RunStatus.RUNNING.value, RunStatus.INTERRUPTED.value)

_of_runs = select(
    runs.c.key,
    runs.c.status,
    places.c.priority,
    runs.c.created_at,
    places.c.concurrency_key,
    places.c.start_at,
    places.c.reason,
    seats.c.session_id,
).select_from(runs.outerjoin(places, places.c.run_key == runs.c.key).outerjoin(seats, seats.c.run_key == runs.c.key))
_free = runs.c.key.not_in(select(holds.c.run_key)) & (seats.c.waits.is_(None) | places.c.start_at.is_not(None))
_keyed = places.c.concurrency_key.is_not(None) & runs.c.status.in_([number(f"'{status}'") for status in _HOLDING])
CONTENDERS = named(
    _of_runs.where(_free, (runs.c.status == number(f"'{_QUEUED}'")) | _keyed).order_by(runs.c.created_at, runs.c.key)
)


def add(connection: sqlite3.Connection, created: Iterable[RunHead]) -> None:
    """Add the places of runs that are new, where they have one."""
    if given := [rows.place_values(head) for head in created if rows.has_place(head)]:
        connection.executemany(_INSERT, given)


def move(connection: sqlite3.Connection, heads: Iterable[RunHead], before: Mapping[int, str]) -> None:
    """Say why runs are queued, and of those that are no longer nothing any more. `before` are their statuses."""
    told = [(head.reason, head.key) for head in heads if _QUEUED in (before[head.key], head.status.value)]
    if told:
        connection.executemany(_SAY_WHY, told)


def contender(row: rows.Row) -> Contender:
    """A run of a row of CONTENDERS."""
    key, status, priority, created_at, concurrency_key, start_at, reason, session = row
    return Contender(
        run_key=key, status=RunStatus(status), priority=priority or 0, created_at=created_at,
        concurrency_key=concurrency_key, start_at=start_at, reason=reason,
        session=session,
    )  # fmt: skip
