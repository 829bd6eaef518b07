"""Idempotency keys in a transaction: written with what they stand for, the old ones forgotten a few at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from engine.claims import KEPT_MS, ClaimRow
from store import _rows as rows
from store import _statements as sql
from store._json import to_text

FORGOTTEN = 100
"""So many old keys go at most whenever new ones come."""


def add(connection: sqlite3.Connection, claims: Sequence[ClaimRow]) -> None:
    """Add keys in the open transaction; one that is too old to count gives way to its successor."""
    if not claims:
        return
    until = max(row.at for row in claims) - KEPT_MS
    connection.executemany(sql.FORGET_CLAIM, [(row.scope, row.key, row.at - KEPT_MS) for row in claims])
    connection.execute(sql.FORGET_CLAIMS, {"until": until, "limit": FORGOTTEN})
    connection.executemany(sql.ADD_CLAIM, map(rows.claim_values, claims))


def keep_answer(row: ClaimRow) -> Callable[[sqlite3.Connection], None]:
    """Keep the first answer with a key."""
    answer = {"new_status": row.status, "new_headers": to_text(dict(row.headers)), "new_body": row.body}

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(sql.KEEP_ANSWER, {"in_scope": row.scope, "of_key": row.key, **answer})

    return change
