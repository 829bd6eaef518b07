"""Runs by the time of their last change, in SQLite.

A run that is over does not change any more, so there is an index by the end of runs, which costs nothing while they go
on. The others are few: they are found by their status, and sorted. Each status is a list of its own, read no further
than a page reaches; then the lists are merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Select, and_, bindparam, func, not_, or_, select, tuple_, union_all
from sqlalchemy import literal_column as number

from engine.model import TERMINAL, RunHead, RunStatus
from engine.ports import Page, RecentFilter
from store import _cursor as cursors
from store import _rows as rows
from store._artifacts import SqliteArtifacts
from store._statements import RUNS, WHOLE, first_rows, named
from store._tables import interrupts, runs, seats

KIND = "recent"
_CHANGED = func.coalesce(runs.c.finished_at, runs.c.updated_at)
_NEWEST = _CHANGED.desc(), runs.c.key.desc()
_CODE = func.json_extract(runs.c.error, number("'$.code'"))
_OPEN = select(interrupts.c.n).where(interrupts.c.run_key == runs.c.key, interrupts.c.status == number("'open'"))


def _asks_only(name: str) -> ColumnElement[bool]:
    """Whether a run has open interrupts, all of them of the kind that a parameter names."""
    kind: BindParameter[str] = bindparam(name)
    return and_(_OPEN.where(interrupts.c.kind == kind).exists(), not_(_OPEN.where(interrupts.c.kind != kind).exists()))


_FILTERS: Mapping[str, ColumnElement[bool]] = {
    "workflow_id": runs.c.workflow_id == bindparam("workflow_id"),
    "session_id": runs.c.key.in_(select(seats.c.run_key).where(seats.c.session_id == bindparam("session_id"))),
    "code": bindparam("code") == _CODE,
    "but_code": func.coalesce(_CODE, number("''")) != bindparam("but_code"),
    "asks_only": _asks_only("asks_only"),
    "asks_but": not_(_asks_only("asks_but")),
}


class SqliteRecent(SqliteArtifacts):
    """The part of the store that lists them."""

    async def recent_runs(self, where: RecentFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        text, given = asked(where, limit + 1, cursors.read(KIND, cursor, int, int))
        found = [rows.run_head(row) for row in self._read(text, **given)]
        return cursors.page(KIND, found, limit, lambda head: (head.changed_at, head.key))

    async def count_recent(self, where: RecentFilter) -> int:
        given = _given(where)
        [(count,)] = self._read(_counted(tuple(given), where.status), **given)
        return int(count)


def asked(where: RecentFilter, limit: int, after: cursors.Place | None = None) -> tuple[str, Mapping[str, Any]]:
    """The statement of a list, and its parameters."""
    given = _given(where)
    if after is not None:
        given |= {"after_0": after[0], "after_1": after[1]}
    return _listed(tuple(given), where.status or tuple(RunStatus)), {**given, "limit": limit}


def _given(where: RecentFilter) -> dict[str, Any]:
    names = (*_FILTERS, "since")
    return {name: value for name in names if (value := getattr(where, name)) is not None}


@lru_cache(maxsize=256)
def _listed(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> str:
    if "session_id" in used:  # few enough to be sorted
        return named(first_rows(RUNS.where(*_any(used, statuses)).order_by(*_NEWEST)))
    lists = [select(_of_status(used, status).subquery()) for status in dict.fromkeys(statuses)]
    found = RUNS.where(runs.c.key.in_(union_all(*lists)))
    return named(first_rows(found.order_by(*_NEWEST)))


def _of_status(used: tuple[str, ...], status: RunStatus) -> Select[Any]:
    changed: ColumnElement[Any] = runs.c.finished_at if status in TERMINAL else _CHANGED
    wanted = [runs.c.status == number(f"'{status}'"), WHOLE, *_wanted(used, changed)]
    if status in TERMINAL:
        wanted.append(runs.c.finished_at.is_not(None))
    return first_rows(select(runs.c.key).where(*wanted).order_by(changed.desc(), runs.c.key.desc()))


@lru_cache(maxsize=256)
def _counted(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> str:
    return named(select(func.count()).select_from(runs).where(*_any(used, statuses)))


def _any(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> list[ColumnElement[bool]]:
    """The conditions of a list of runs in any of these statuses."""
    found = [WHOLE, *_wanted(used, _CHANGED)]
    if statuses:
        found.append(or_(*(runs.c.status == number(f"'{status}'") for status in dict.fromkeys(statuses))))
    return found


def _wanted(used: tuple[str, ...], changed: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    found = [_FILTERS[name] for name in used if name in _FILTERS]
    if "since" in used:
        found.append(changed >= bindparam("since"))
    if "after_0" in used:
        found.append(tuple_(changed, runs.c.key) < tuple_(bindparam("after_0"), bindparam("after_1")))
    return found
