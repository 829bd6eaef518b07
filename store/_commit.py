"""What a batch does inside a transaction: one check of all runs, then a call for each table, never one for each row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping

from engine.errors import StaleCommit
from engine.model import RunHead
from engine.ports import Batch
from store import _artifact_rows as artifacts
from store import _claims as claims
from store import _dead_letters as dead_letters
from store import _jobs as jobs
from store import _kept as kept
from store import _notices as notices
from store import _places as places
from store import _porting as porting
from store import _pushes as pushes
from store import _rows as rows
from store import _sessions as sessions
from store import _statements as sql
from store._fresh import moved, touched, versions_after
from store._json import to_text

_Statuses = Mapping[int, str]
_STALE = (
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY,
)  # fmt: skip
"""What is there already, or belongs to a run that is gone."""


def write(connection: sqlite3.Connection, batch: Batch, gaps: Mapping[str, int]) -> None:
    """Write a batch in the open transaction; rows of the tables in `gaps` go on after a rowid. Raises StaleCommit; then
    the transaction has to be rolled back."""
    statuses, versions = _check(connection, batch)
    try:
        if batch.workflows:
            porting.bring(connection, batch.workflows)
        _create(connection, batch, versions)
        if batch.commits:
            _append(connection, sql.INSERT_COMMIT, sql.INSERT_COMMIT_AT, gaps.get("commits"), iter(batch.commits))
        created = {head.key for head in batch.created}
        _move(connection, [head for key, head in batch.heads.items() if key not in created], versions, statuses)
        if batch.events:
            happened = map(rows.event_values, batch.events)
            _append(connection, sql.INSERT_EVENT, sql.INSERT_EVENT_AT, gaps.get("events"), happened)
        _timers_and_interrupts(connection, batch)
        claims.add(connection, batch.claims)
        dead_letters.write(connection, batch)
        kept.write(connection, batch.kept, max((row.at for row in batch.commits), default=0))
        notices.write(connection, batch)
        pushes.write(connection, batch)
        jobs.write(connection, batch)
        artifacts.write(connection, batch)
        if batch.holds:
            porting.hold(connection, batch.holds)
        if batch.seats or batch.sessions:
            sessions.write(connection, batch.seats, batch.sessions)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode not in _STALE:
            raise
        raise StaleCommit(f"the batch does not fit what is stored: {error}") from error


def _append(
    connection: sqlite3.Connection, insert: str, insert_at: str, last: int | None, values: Iterator[rows.Row]
) -> None:
    """Insert rows; after a gap the first one says where it stands, and the others follow by themselves."""
    if last is not None:
        connection.execute(insert_at, (last + 1, *next(values)))
    connection.executemany(insert, values)


def _check(connection: sqlite3.Connection, batch: Batch) -> tuple[_Statuses, dict[int, int]]:
    keys = touched(batch)
    found = connection.execute(sql.STANDING, {"keys": to_text(list(keys))}).fetchall() if keys else []
    versions = versions_after(batch, {key: (version, epoch) for key, version, epoch, _ in found})
    return {key: status for key, _, _, status in found}, versions


def _create(connection: sqlite3.Connection, batch: Batch, versions: Mapping[int, int]) -> None:
    """A run that is created and moves on in the same batch is written where it ends."""
    if not batch.created:
        return
    heads = [moved(head, batch.heads.get(head.key, head)) for head in batch.created]
    connection.executemany(sql.INSERT_RUN, [rows.run_values(head, versions[head.key]) for head in heads])
    connection.executemany(sql.INSERT_INPUT, map(rows.input_values, heads))
    if told := [rows.hook_values(head) for head in heads if head.hook is not None]:
        connection.executemany(sql.INSERT_HOOK, told)
    pushes.add(connection, heads)
    places.add(connection, heads)
    if seated := [rows.seat_values(head) for head in heads if head.seat is not None]:
        connection.executemany(sql.INSERT_SEAT, seated)


def _move(
    connection: sqlite3.Connection, heads: Iterable[RunHead], versions: Mapping[int, int], statuses: _Statuses
) -> None:
    heads = list(heads)
    if heads:
        connection.executemany(sql.MOVE_HEAD, [rows.moved_values(head, versions[head.key]) for head in heads])
    if turned := [(head.status.value, head.key) for head in heads if head.status.value != statuses[head.key]]:
        connection.executemany(sql.SET_STATUS, turned)
    places.move(connection, heads, statuses)


def _timers_and_interrupts(connection: sqlite3.Connection, batch: Batch) -> None:
    """Timers are cleared before others are set: a task that goes on has new ones."""
    many = connection.executemany
    if batch.timers_cleared:
        many(sql.CLEAR_TIMERS, batch.timers_cleared)
    if batch.timers:
        many(sql.SET_TIMER, map(rows.timer_values, batch.timers))
    if batch.interrupts:
        many(sql.INSERT_INTERRUPT, map(rows.interrupt_values, batch.interrupts))
        claimed = [row for row in batch.interrupts if row.assignee is not None]
        many(sql.ASSIGN, [(row.id, row.run_key, row.assignee, row.claimed_at) for row in claimed])
    if batch.interrupts_ended:
        many(sql.END_INTERRUPT, [(status, at, name) for name, status, at in batch.interrupts_ended])
