"""Sessions in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, exists, func, select, tuple_, update
from sqlalchemy import literal_column as number
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.line import HEAD_START_MS
from engine.model import RunHead
from engine.session import RANKS, SessionRow
from store import _rows as rows
from store import _statements as sql
from store._errors import no_session, session_active
from store._statements import RUNS, WHOLE, first_rows, named, ordered, picked
from store._tables import places, runs, seats, sessions

Change = Callable[[sqlite3.Connection], None]

COLUMNS = ("id", "created_at", "updated_at")
_SESSIONS = select(*picked(sessions, COLUMNS))
ONE = named(_SESSIONS.where(sessions.c.id == bindparam("session")))
_by_time = tuple_(sessions.c.updated_at, sessions.c.id)
_newest = _SESSIONS.order_by(sessions.c.updated_at.desc(), sessions.c.id.desc())
FIRST_PAGE = named(first_rows(_newest))
NEXT_PAGE = named(first_rows(_newest.where(_by_time < tuple_(bindparam("after_0"), bindparam("after_1")))))

_here = seats.c.session_id == bindparam("session")
_began, _waits = seats.c.place.is_not(None), seats.c.waits.is_not(None)
_last_first = RUNS.where(_here, _began, WHOLE).order_by(seats.c.place.desc())
LAST = named(first_rows(_last_first))
LAST_OF = named(first_rows(_last_first.where(seats.c.workflow_id == bindparam("workflow"))))
BEFORE = named(first_rows(_last_first.where(seats.c.place < bindparam("before"))))
TOP = named(select(func.coalesce(func.max(seats.c.place), number("0"))).where(_here, _began))
AT = named(select(seats.c.run_key).where(_here, seats.c.place == bindparam("place")))
_ranks: dict[Any, Any] = {number(f"'{waits}'"): number(str(-rank)) for waits, rank in RANKS.items()}
_since = func.max(seats.c.created_at, func.coalesce(places.c.start_at, seats.c.created_at))
_ahead = func.coalesce(places.c.priority, number("0")) * number(str(HEAD_START_MS))
_waiting = (
    select(seats.c.run_key)
    .select_from(seats.outerjoin(places, places.c.run_key == seats.c.run_key))
    .where(_here, _waits, func.coalesce(places.c.start_at, number("0")) <= bindparam("now"))
    .order_by(case(_ranks, value=seats.c.waits), _since - _ahead, seats.c.run_key)
)
QUEUED = named(RUNS.where(runs.c.key == first_rows(_waiting).scalar_subquery()))
"""The order is `turn_of`; only the first is read whole."""
WAITING = named(select(seats.c.session_id).where(_waits).distinct().order_by(seats.c.session_id))

_touch = upsert(sessions).values(id=bindparam("session"), created_at=bindparam("at"), updated_at=bindparam("at"))
TOUCH = named(_touch.on_conflict_do_update(index_elements=["id"], set_={"updated_at": _touch.excluded.updated_at}))
SEAT = ordered(
    update(seats)
    .where(seats.c.run_key == bindparam("key"))
    .values(place=bindparam("new_place"), waits=bindparam("new_waits")),
    ["new_place", "new_waits", "key"],
)
FOLLOW = ordered(
    update(runs)
    .where(runs.c.key == bindparam("run_key"))
    .values(parent=bindparam("new_parent"), parent_id=bindparam("new_parent_id")),
    ["new_parent", "new_parent_id", "run_key"],
)
SESSION_OF = named(select(seats.c.session_id).where(seats.c.run_key == bindparam("run_key")))
_members = select(seats.c.run_key).join_from(seats, runs, seats.c.run_key == runs.c.key).where(_here, WHOLE)
MEMBERS = named(_members.order_by(func.coalesce(seats.c.place, number("0")).desc(), seats.c.run_key.desc()))
_idle = runs.c.status.in_([number("'completed'"), number("'failed'"), number("'cancelled'")])
ACTIVE = named(_members.where(~_idle).limit(number("1")).offset(number("0")))
_left = exists(
    select(number("1"))
    .select_from(seats.join(runs, seats.c.run_key == runs.c.key))
    .where(seats.c.session_id == sessions.c.id, WHOLE)
)
FORGET = named(delete(sessions).where(and_(sessions.c.id == bindparam("session"), ~_left)))


def row_of(found: rows.Row) -> SessionRow:
    """A session of the columns COLUMNS."""
    return SessionRow(**dict(zip(COLUMNS, found, strict=True)))


def write(connection: sqlite3.Connection, moved: Mapping[int, RunHead], touched: Mapping[str, int]) -> None:
    """Note who has begun in sessions, or waits no longer, and in which sessions something happened."""
    heads = [head for head in moved.values() if head.seat is not None]
    if heads:
        connection.executemany(FOLLOW, [(head.parent, head.parent_id, head.key) for head in heads])
        places = [(head.seat.place, head.seat.waits, head.key) for head in heads if head.seat is not None]
        connection.executemany(SEAT, places)
    connection.executemany(TOUCH, [{"session": name, "at": at} for name, at in touched.items()])


def session_of(connection: sqlite3.Connection, run_key: int) -> str | None:
    """The session of a run."""
    found = connection.execute(SESSION_OF, {"run_key": run_key}).fetchone()
    return None if found is None else str(found[0])


def forget_empty(connection: sqlite3.Connection, session: str | None) -> None:
    """Forget a session that has no runs any more."""
    if session is not None:
        connection.execute(FORGET, {"session": session})


def delete_session(session: str, delete_run: Callable[[int], Change]) -> Change:
    """Delete a session with its runs, the last one first. Raises NotFound or Conflict."""

    def change(connection: sqlite3.Connection) -> None:
        given: dict[str, Any] = {"session": session}
        keys = [key for (key,) in connection.execute(MEMBERS, given)]
        if not keys:
            raise no_session(session)
        if (active := connection.execute(ACTIVE, given).fetchone()) is not None:
            raise session_active(
                session, rows.run_head(connection.execute(sql.RUN_BY_KEY, {"run_key": active[0]}).fetchone())
            )
        for key in keys:
            delete_run(key)(connection)

    return change
