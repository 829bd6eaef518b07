"""Lists whose form depends on filters: a text for each form, made when it is first asked for, and its parameters.

A select finds at most `limit` rows; who wants to know whether there is a next page asks for one more.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy import literal_column as number

from engine.matching import lowered
from engine.ports import InterruptFilter, RunFilter
from store._cursor import Place
from store._statements import INTERRUPT_COLUMNS, RUNS, WHOLE, WITH_ASSIGNEE, WORKFLOW_COLUMNS, first_rows, named
from store._tables import assignments, interrupts, run_inputs, runs, seats, workflow_heads, workflows

Query = tuple[str, Mapping[str, Any]]
Condition = ColumnElement[bool]


def _one_is(listed: Column[str], value: str) -> Condition:
    """Whether one item of a JSON list is the text of this parameter."""
    item = func.json_each(listed).table_valued("value")
    return exists(select(number("1")).select_from(item).where(item.c.value == bindparam(value)))


def _holds(described: Column[str], key: str, value: str) -> Condition:
    """Whether a JSON object has, at the key of one parameter, the text of another, or what is written so in JSON."""
    item = func.json_each(described).table_valued("key", "value", "type")
    text, word = cast(item.c.value, Text), item.c.type
    shown = case(
        {
            number("'text'"): text, number("'integer'"): text, number("'real'"): text,
            number("'true'"): word, number("'false'"): word, number("'null'"): word,
        },
        value=item.c.type,
    )  # fmt: skip
    same = and_(item.c.key == bindparam(key), shown == bindparam(value))
    return exists(select(number("1")).select_from(item).where(same))


def _contains(*texts: ColumnElement[Any]) -> Condition:
    return or_(*(func.instr(func.lower(text), bindparam("q")) > number("0") for text in texts))


# ---- runs

WINDOW = 1000
"""So many runs are looked at in one go where filters have no index."""

_RUN_FILTERS: dict[str, Condition] = {
    "until": tuple_(runs.c.created_at, runs.c.key) >= tuple_(bindparam("until_0"), bindparam("until_1")),
    "after": tuple_(runs.c.created_at, runs.c.key) < tuple_(bindparam("after_0"), bindparam("after_1")),
    "workflow_id": runs.c.workflow_id == bindparam("workflow_id"),
    "parent_id": runs.c.parent_id == bindparam("parent_id"),
    "created_after": runs.c.created_at > bindparam("created_after"),
    "created_before": runs.c.created_at < bindparam("created_before"),
    "tag": _one_is(run_inputs.c.tags, "tag"),
    "q": _contains(runs.c.id, runs.c.workflow_id),
}

_member = seats.alias("member")
_OF_SESSION: dict[str, Condition] = {
    "until": tuple_(_member.c.created_at, _member.c.run_key) >= tuple_(bindparam("until_0"), bindparam("until_1")),
    "after": tuple_(_member.c.created_at, _member.c.run_key) < tuple_(bindparam("after_0"), bindparam("after_1")),
    "session_id": and_(_member.c.run_key == runs.c.key, _member.c.session_id == bindparam("session_id")),
}
"""The same for the runs of a session, which are found in their order by an index of their own."""


def needs_scan(where: RunFilter) -> bool:
    """Whether runs have to be looked at that the list may not hold. Such a list is read window by window."""
    return where.tag is not None or bool(where.metadata) or bool(where.q)


def list_runs(where: RunFilter, limit: int, after: Place | None, until: Place | None = None) -> Query:
    """Runs by the filter, last created first: those behind one place, up to and with the one at another."""
    given = _with_index(where, after)
    if until is not None:
        given["until"] = _place("until", until)
    if where.tag is not None:
        given["tag"] = {"tag": where.tag}
    if where.q:
        given["q"] = {"q": lowered(where.q)}
    statuses, described = _statuses(where), dict(where.metadata)
    text = _runs(tuple(given), len(statuses), len(described))
    pairs = [{f"meta_key_{i}": key, f"meta_value_{i}": value} for i, (key, value) in enumerate(described.items())]
    return text, _merged(*given.values(), statuses, *pairs, {"limit": limit})


def window_end(where: RunFilter, after: Place | None) -> Query:
    """The place of the last run of the window behind a place: one row, or none where fewer runs are left."""
    given, statuses = _with_index(where, after), _statuses(where)
    one = statuses if len(statuses) == 1 else {}
    return _window(tuple(given), bool(one)), _merged(*given.values(), one)


def _with_index(where: RunFilter, after: Place | None) -> dict[str, dict[str, Any]]:
    names = ("workflow_id", "parent_id", "session_id", "created_after", "created_before")
    plain = {name: getattr(where, name) for name in names}
    found = {name: {name: value} for name, value in plain.items() if value is not None}
    return found if after is None else {**found, "after": _place("after", after)}


def _place(name: str, place: Place) -> dict[str, Any]:
    return {f"{name}_{i}": part for i, part in enumerate(place)}


def _statuses(where: RunFilter) -> dict[str, Any]:
    return {f"status_{i}": status.value for i, status in enumerate(dict.fromkeys(where.status))}


def _merged(*parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for some in parameters for name, value in some.items()}


@lru_cache(maxsize=256)
def _runs(used: tuple[str, ...], statuses: int, described: int) -> str:
    wanted, newest = [WHOLE, *_wanted(used)], _order(used)
    wanted += [_holds(run_inputs.c.metadata, f"meta_key_{i}", f"meta_value_{i}") for i in range(described)]
    by_status = [runs.c.status == bindparam(f"status_{i}") for i in range(statuses)]
    if statuses < 2 or "until" in used:
        return named(first_rows(RUNS.where(*wanted, *([or_(*by_status)] if by_status else [])).order_by(*newest)))
    # A list for each status, then merged: each is read in the order of its index, no further than a page reaches.
    keys = select(runs.c.key).where(*wanted)
    lists = [select(first_rows(keys.where(status).order_by(*newest)).subquery()) for status in by_status]
    return named(first_rows(RUNS.where(runs.c.key.in_(union_all(*lists))).order_by(*_order(()))))


@lru_cache(maxsize=32)
def _window(used: tuple[str, ...], one_status: bool) -> str:
    wanted = _wanted(used)
    if one_status:
        wanted.append(runs.c.status == bindparam("status_0"))
    last = select(runs.c.created_at, runs.c.key).where(*wanted).order_by(*_order(used))
    return named(last.limit(number("1")).offset(number(str(WINDOW - 1))))


def _wanted(used: tuple[str, ...]) -> list[Condition]:
    special = _OF_SESSION if "session_id" in used else {}
    return [special.get(name, _RUN_FILTERS.get(name, true())) for name in used]


def _order(used: tuple[str, ...]) -> tuple[ColumnElement[Any], ...]:
    """The newest first."""
    if "session_id" in used:
        return _member.c.created_at.desc(), _member.c.run_key.desc()
    return runs.c.created_at.desc(), runs.c.key.desc()


# ---- interrupts


def list_interrupts(
    status: str | None, run_key: int | None, where: InterruptFilter, limit: int, after: Place | None
) -> Query:
    """Interrupts, last opened first. The last column is the place in the list."""
    plain = {"status": status, "run_key": run_key, "kind": where.kind, "assignee": where.assignee}
    plain["after"] = after[0] if after else None
    given = {name: value for name, value in plain.items() if value is not None}
    claimed = () if where.claimed is None else ("claimed",) if where.claimed else ("unclaimed",)
    return _interrupts((*given, *claimed)), {**given, "limit": limit}


@lru_cache(maxsize=16)
def _interrupts(used: tuple[str, ...]) -> str:
    conditions = {
        "status": interrupts.c.status == bindparam("status"),
        "run_key": interrupts.c.run_key == bindparam("run_key"),
        "kind": interrupts.c.kind == bindparam("kind"),
        "assignee": assignments.c.assignee == bindparam("assignee"),
        "claimed": assignments.c.assignee.is_not(None),
        "unclaimed": assignments.c.assignee.is_(None),
        "after": interrupts.c.n < bindparam("after"),
    }
    found = select(*INTERRUPT_COLUMNS, interrupts.c.n).select_from(WITH_ASSIGNEE)
    found = found.where(*(conditions[name] for name in used))
    return named(first_rows(found.order_by(interrupts.c.n.desc())))


# ---- workflows


def list_workflows(q: str | None, tag: str | None, status: str | None, limit: int, after: Place | None) -> Query:
    """Newest versions, last changed first."""
    plain = {"q": lowered(q) if q else None, "tag": tag, "status": status}
    given = {name: {name: value} for name, value in plain.items() if value is not None}
    if after is not None:
        given["after"] = _place("after", after)
    return _workflows(tuple(given)), _merged(*given.values(), {"limit": limit})


@lru_cache(maxsize=16)
def _workflows(used: tuple[str, ...]) -> str:
    heads = workflow_heads.c
    conditions = {
        "after": tuple_(heads.updated_at, heads.id) < tuple_(bindparam("after_0"), bindparam("after_1")),
        "q": _contains(workflows.c.id, func.coalesce(workflows.c.name, number("''"))),
        "tag": _one_is(workflows.c.tags, "tag"),
        "status": heads.status == bindparam("status"),
    }
    newest = and_(workflows.c.id == heads.id, workflows.c.version == heads.version)
    found = select(*WORKFLOW_COLUMNS).join_from(workflow_heads, workflows, newest)
    found = found.where(*(conditions[name] for name in used))
    if "status" not in used:
        found = found.where(heads.status != number("'archived'"))
    return named(first_rows(found.order_by(heads.updated_at.desc(), heads.id.desc())))
