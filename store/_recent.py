"""Runs by the time of their last change, in SQLite.

A run that is over does not change any more, so there is an index by the end of runs, which costs nothing while they go
on. The others are few: they are found by their status, and sorted. Each status is a list of its own, read no further
than a page reaches; then the lists are merged. A count is the sum of such lists, each of which an index has; it grows
with what it counts, but for the count of all runs.
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
_BESIDE_INDEX = number("+runs.workflow_id") == bindparam("workflow_id")
"""The same as the filter, but for SQLite: no index has what it asks for."""
_COUNT = select(func.count().label("n")).select_from(runs)


class SqliteRecent(SqliteArtifacts):
    """The part of the store that lists them."""

    async def recent_runs(self, where: RecentFilter, limit: int, cursor: str | None) -> Page[RunHead]:
        text, given = asked(where, limit + 1, cursors.read(KIND, cursor, int, int))
        found = [rows.run_head(row) for row in self._read(text, **given)]
        return cursors.page(KIND, found, limit, lambda head: (head.changed_at, head.key))

    async def count_recent(self, where: RecentFilter) -> int:
        text, given = counted(where)
        [(count,)] = self._read(text, **given)
        return int(count)


def asked(where: RecentFilter, limit: int, after: cursors.Place | None = None) -> tuple[str, Mapping[str, Any]]:
    """The statement of a list, and its parameters."""
    given = _given(where)
    if after is not None:
        given |= {"after_0": after[0], "after_1": after[1]}
    return _listed(tuple(given), where.status or tuple(RunStatus)), {**given, "limit": limit}


def counted(where: RecentFilter) -> tuple[str, Mapping[str, Any]]:
    """The statement that counts a list, and its parameters."""
    given = _given(where)
    return _counted(tuple(given), where.status), given


def _given(where: RecentFilter) -> dict[str, Any]:
    names = (*_FILTERS, "since")
    return {name: value for name in names if (value := getattr(where, name)) is not None}


@lru_cache(maxsize=256)
def _listed(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> str:
    if "session_id" in used:
        return named(first_rows(RUNS.where(*_of_session(used, statuses)).order_by(*_NEWEST)))
    lists = [select(_of_status(used, status).subquery()) for status in dict.fromkeys(statuses)]
    found = RUNS.where(runs.c.key.in_(union_all(*lists)))
    return named(first_rows(found.order_by(*_NEWEST)))


def _of_status(used: tuple[str, ...], status: RunStatus) -> Select[Any]:
    changed = _changed(status)
    found = select(runs.c.key).where(*_in_status(used, status))
    return first_rows(found.order_by(changed.desc(), runs.c.key.desc()))


@lru_cache(maxsize=256)
def _counted(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> str:
    if "session_id" in used:
        return named(_COUNT.where(*_of_session(used, statuses)))
    if not statuses and not {*used} - {"workflow_id"}:
        return named(_count_of_all(used))
    counts = union_all(*(_COUNT.where(*_in_status(used, status)) for status in dict.fromkeys(statuses or RunStatus)))
    return named(select(func.sum(counts.subquery().c.n)))


def _count_of_all(used: tuple[str, ...]) -> Select[Any]:
    """All runs of an index but those of which only the beginning is there: that is quicker than to look at each."""
    every = _COUNT.where(*_wanted(used, _CHANGED))
    beginnings = _COUNT.where(~WHOLE, *_wanted(used, _CHANGED, by_workflow=False))
    return select(every.scalar_subquery() - beginnings.scalar_subquery())


def _of_session(used: tuple[str, ...], statuses: tuple[RunStatus, ...]) -> list[ColumnElement[bool]]:
    """The conditions of the runs of a session: few enough to be looked at, and to be sorted."""
    found = [WHOLE, *_wanted(used, _CHANGED, by_workflow=False)]
    if statuses:
        found.append(or_(*(runs.c.status == number(f"'{status}'") for status in dict.fromkeys(statuses))))
    return found


def _in_status(used: tuple[str, ...], status: RunStatus) -> list[ColumnElement[bool]]:
    """The conditions of runs in a status. There are many of those that have ended, by far, so that others are not to be
    looked for among all runs of a workflow."""
    has_ended = status in TERMINAL
    found = [runs.c.status == number(f"'{status}'"), WHOLE]
    found += _wanted(used, _changed(status), by_workflow=has_ended)
    return [*found, runs.c.finished_at.is_not(None)] if has_ended else found


def _changed(status: RunStatus) -> ColumnElement[Any]:
    return runs.c.finished_at if status in TERMINAL else _CHANGED


def _wanted(
    used: tuple[str, ...], changed: ColumnElement[Any], *, by_workflow: bool = True
) -> list[ColumnElement[bool]]:
    """The conditions of the filters; where it is not `by_workflow`, an index of those is left alone."""
    filters = _FILTERS if by_workflow else {**_FILTERS, "workflow_id": _BESIDE_INDEX}
    found = [filters[name] for name in used if name in filters]
    if "since" in used:
        found.append(changed >= bindparam("since"))
    if "after_0" in used:
        found.append(tuple_(changed, runs.c.key) < tuple_(bindparam("after_0"), bindparam("after_1")))
    return found
