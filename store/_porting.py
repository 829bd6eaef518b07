"""What moving runs takes in SQLite: where a run stands at one moment, holds, and the versions that it brings along."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select

from engine.holds import Hold
from engine.ports import InterruptFate, LetterFate, Moment, WorkflowRow
from store import _rows as rows
from store import _statements as sql
from store._errors import version_differs
from store._statements import named, picked
from store._tables import assignments, dead_letters, holds, interrupts, workflow_heads, workflows

_INTERRUPTS = named(
    select(*picked(interrupts, ("id", "status", "resolved_at")), *picked(assignments, rows.ASSIGNED))
    .select_from(sql.WITH_ASSIGNEE)
    .where(interrupts.c.run_key == bindparam("run_key"))
    .order_by(interrupts.c.n)
)
_LETTERS = named(
    select(*picked(dead_letters, ("seq", "worker", "status", "redriven_at")))
    .where(dead_letters.c.run_key == bindparam("run_key"))
    .order_by(dead_letters.c.n)
)
READS = (sql.RUN_BY_KEY, sql.LAST_EVENT, sql.TIMERS, _INTERRUPTS, _LETTERS)
"""What is read for a moment, all with the parameter `run_key`."""

LAST_VERSION = "SELECT coalesce(max(version), 0) FROM workflows WHERE id = :id"
_LIFT = named(delete(holds).where(holds.c.run_key == bindparam("run")))
_HOLD = named(insert(holds))
_BRING = named(insert(workflows).prefix_with("OR IGNORE"))
_BRING_HEAD = named(insert(workflow_heads).prefix_with("OR IGNORE"))
_DOCUMENT = named(
    select(workflows.c.document).where(workflows.c.id == bindparam("id"), workflows.c.version == bindparam("version"))
)


def moment_of(found: Sequence[Sequence[rows.Row]]) -> Moment | None:
    """The moment of what READS gave."""
    heads, last, timers, asked, letters = found
    if not heads:
        return None
    return Moment(
        head=rows.run_head(heads[0]),
        last_event=int(last[0][0] or 0),
        timers=tuple(map(rows.timer_row, timers)),
        interrupts=tuple(
            InterruptFate(id=name, status=status, resolved_at=at, assignee=assignee, claimed_at=claimed_at)
            for name, status, at, assignee, claimed_at in asked
        ),
        dead_letters=tuple(
            LetterFate(seq=seq, worker=worker, status=status, redriven_at=at) for seq, worker, status, at in letters
        ),
    )


def hold(connection: sqlite3.Connection, held: Mapping[int, Hold | None]) -> None:
    """Hold runs, or hold them no longer."""
    for key, why in held.items():
        connection.execute(_LIFT, {"run": key})
        if why is not None:
            connection.execute(_HOLD, {"run_key": key, "why": why.value})


def bring(connection: sqlite3.Connection, versions: Iterable[WorkflowRow]) -> None:
    """Add the versions that are not there. Raises Conflict where one is there that says something else."""
    for row in sorted(versions, key=lambda row: -row.version):  # the highest one comes first to the head
        values: dict[str, Any] = rows.workflow_values(row)
        if not connection.execute(_BRING, values).rowcount:
            (there,) = connection.execute(_DOCUMENT, {"id": row.id, "version": row.version}).fetchone()
            if there != values["document"]:
                raise version_differs(row)
        connection.execute(_BRING_HEAD, values)
