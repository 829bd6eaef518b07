"""Answers that are kept over runs, in SQLite: written with the commits that they come from, the old ones forgotten a
few at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.cache import Kept
from store._json import from_text, to_text
from store._statements import first_rows, named, ordered, picked
from store._tables import kept_answers

FORGOTTEN = 100
"""So many old answers go at most whenever new ones come."""

_NAMES = ("key", "answer", "worker", "expires_at")
_put = upsert(kept_answers).values({name: bindparam(name) for name in _NAMES})
_PUT = ordered(
    _put.on_conflict_do_update(
        index_elements=["key"], set_={name: getattr(_put.excluded, name) for name in _NAMES[1:]}
    ),
    _NAMES,
)
_OLD = first_rows(select(kept_answers.c.key).where(kept_answers.c.expires_at <= bindparam("now")))
_FORGET = named(delete(kept_answers).where(kept_answers.c.key.in_(_OLD)))
ONE = named(
    select(*picked(kept_answers, _NAMES)).where(
        kept_answers.c.key == bindparam("of_key"), kept_answers.c.expires_at > bindparam("now")
    )
)


def write(connection: sqlite3.Connection, found: Sequence[Kept], now: int) -> None:
    """Keep answers in the open transaction; a later one takes the place of an earlier one."""
    if found:
        connection.execute(_FORGET, {"now": now, "limit": FORGOTTEN})
        connection.executemany(_PUT, [(one.key, to_text(one.answer), one.worker, one.expires_at) for one in found])


def kept(row: Sequence[Any]) -> Kept:
    """An answer of its columns."""
    key, answer, worker, expires_at = row
    return Kept(key=key, answer=from_text(answer), worker=worker, expires_at=expires_at)
