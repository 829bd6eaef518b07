"""Dead letters in SQLite: added with the commits that they stand for, listed newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from engine.dead_letters import OPEN, REDRIVEN, DeadLetter
from engine.ports import Batch
from store import _cursor as cursors
from store._cursor import Place
from store._json import from_text, to_text
from store._statements import first_rows, named, ordered, picked
from store._tables import dead_letters

_NAMES = tuple(field.name for field in fields(DeadLetter))
_INSERT = ordered(insert(dead_letters).values({name: bindparam(name) for name in _NAMES}), _NAMES)
_REDRIVEN = named(
    update(dead_letters)
    .where(dead_letters.c.id == bindparam("letter"), dead_letters.c.status == bindparam("was"))
    .values(status=bindparam("now"), redriven_at=bindparam("at"))
)
_RETRIED = named(
    update(dead_letters)
    .where(
        dead_letters.c.run_key == bindparam("run"),
        dead_letters.c.task_id == bindparam("task"),
        dead_letters.c.status == bindparam("was"),
    )
    .values(status=bindparam("now"), redriven_at=bindparam("at"))
)
ONE = named(select(*picked(dead_letters, _NAMES)).where(dead_letters.c.id == bindparam("letter")))


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Add those of a batch, and mark those whose tasks it starts again."""
    if batch.dead_letters:
        connection.executemany(_INSERT, map(_values, batch.dead_letters))
    for letter, at in batch.redriven:
        connection.execute(_REDRIVEN, {"letter": letter, "was": OPEN, "now": REDRIVEN, "at": at})
    for key, task, at in batch.retried:
        connection.execute(_RETRIED, {"run": key, "task": task, "was": OPEN, "now": REDRIVEN, "at": at})


_FILTERS = {
    "status": dead_letters.c.status == bindparam("status"),
    "run": dead_letters.c.run_key == bindparam("run"),
    "after": dead_letters.c.n < bindparam("after"),
}


@lru_cache(maxsize=8)
def listed(filters: tuple[str, ...]) -> str:
    """A list; the last column is the place in it."""
    wanted = [_FILTERS[name] for name in filters]
    found = select(*picked(dead_letters, _NAMES), dead_letters.c.n).where(*wanted)
    return named(first_rows(found.order_by(dead_letters.c.n.desc())))


def query(status: str | None, run_key: int | None, limit: int, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a list, and its parameters."""
    given = {"status": status, "run": run_key, "after": after[0] if after else None}
    found = {name: value for name, value in given.items() if value is not None}
    return listed(tuple(found)), {**found, "limit": limit}


def page(found: Sequence[tuple[int, DeadLetter]], limit: int) -> tuple[tuple[DeadLetter, ...], str | None]:
    """A page of what was found when one more was looked for."""
    made = cursors.page("dead_letters", found, limit, lambda item: (item[0],))
    return tuple(letter for _, letter in made.items), made.next_cursor


def letter_of(row: Sequence[Any]) -> DeadLetter:
    """A letter of its columns."""
    given = dict(zip(_NAMES, row, strict=False))
    return DeadLetter(**{**given, "error": from_text(given["error"])})


def _values(letter: DeadLetter) -> tuple[Any, ...]:
    values = [getattr(letter, name) for name in _NAMES]
    return tuple(to_text(dict(value)) if name == "error" else value for name, value in zip(_NAMES, values, strict=True))
