"""The statements whose form never changes, built once with SQLAlchemy Core and kept as SQL text.

Those for many rows take tuples, in the order of the names that they were built from; the others take parameters by
name. Statements whose form depends on filters are in `_lists`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy import literal_column as number
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.holds import Hold
from engine.model import SEQ_BITS
from store import _rows as rows
from store._artifact_tables import artifact_refs
from store._tables import (
    IS_TURN,
    assignments,
    claims,
    commits,
    dead_letters,
    events,
    holds,
    hooks,
    interrupts,
    notices,
    places,
    probes,
    pushes,
    run_inputs,
    runs,
    seats,
    server_secret,
    timers,
    workers,
    workflow_heads,
    workflows,
)

BY_ORDER = sqlite.dialect(paramstyle="qmark")
BY_NAME = sqlite.dialect(paramstyle="named")

Statement = Insert | Update | Delete | Select[Any]


def named(statement: Statement) -> str:
    """SQL text with parameters by name."""
    return str(statement.compile(dialect=BY_NAME))


def ordered(statement: Statement, names: Sequence[str]) -> str:
    """SQL text with parameters by order, which must be that of `names`."""
    made = statement.compile(dialect=BY_ORDER)
    assert made.positiontup == list(names), f"parameters are {made.positiontup}, rows have {names}"
    return str(made)


def first_rows(statement: Select[Any]) -> Select[Any]:
    """At most `limit` rows. SQLite's dialect adds an offset, and would make a parameter of it."""
    return statement.limit(bindparam("limit")).offset(number("0"))


def picked(table: Table, names: Sequence[str]) -> list[Column[Any]]:
    """Columns of a table, in the order of `names`."""
    return [table.c[name] for name in names]


def insert_into(table: Table, names: Sequence[str]) -> str:
    """The insert of rows with these columns, in this order."""
    return ordered(insert(table).values({name: bindparam(name) for name in names}), names)


# ---- many rows at a time

INSERT_RUN = insert_into(runs, rows.RUN)
INSERT_INPUT = insert_into(run_inputs, rows.INPUT)
INSERT_HOOK = insert_into(hooks, rows.HOOK)
INSERT_SEAT = insert_into(seats, rows.SEAT)
INSERT_COMMIT = insert_into(commits, rows.COMMIT)
INSERT_EVENT = insert_into(events, rows.EVENT)
INSERT_COMMIT_AT, INSERT_EVENT_AT = (
    text.replace(" (", " (rowid, ", 1).replace("(?", "(?, ?", 1) for text in (INSERT_COMMIT, INSERT_EVENT)
)
"""The same for one row, with the rowid first."""
INSERT_INTERRUPT = insert_into(interrupts, rows.INTERRUPT)

_moved: dict[str, Any] = {name: bindparam(f"new_{name}") for name in rows.MOVED}
_this_run = runs.c.key == bindparam("run_key")
MOVE_HEAD = ordered(update(runs).where(_this_run).values(_moved), [*(f"new_{n}" for n in rows.MOVED), "run_key"])
"""Leaves the status alone, and with it the index by status."""

SET_STATUS = ordered(
    update(runs).where(_this_run).values(status=bindparam("new_status")),
    ["new_status", "run_key"],
)

_set_timer = upsert(timers).values({name: bindparam(name) for name in rows.TIMER})
SET_TIMER = ordered(
    _set_timer.on_conflict_do_update(
        index_elements=["run_key", "task_id", "kind"], set_={"due_at": _set_timer.excluded.due_at}
    ),
    rows.TIMER,
)
CLEAR_TIMERS = ordered(
    delete(timers).where(timers.c.run_key == bindparam("run_key"), timers.c.task_id == bindparam("task")),
    ["run_key", "task"],
)
END_INTERRUPT = ordered(
    update(interrupts)
    .where(interrupts.c.id == bindparam("interrupt"))
    .values(status=bindparam("new_status"), resolved_at=bindparam("at")),
    ["new_status", "at", "interrupt"],
)

_keys = func.json_each(bindparam("keys")).table_valued("value")
STANDING = named(
    select(runs.c.key, runs.c.version, runs.c.epoch, runs.c.status).where(runs.c.key.in_(select(_keys.c.value)))
)
"""Where the runs stand whose keys are given as a JSON list."""

# ---- runs

_pushes = (
    select(func.json_group_array(func.json_array(*picked(pushes, rows.PUSH))))
    .where(pushes.c.run_key == runs.c.key)
    .correlate(runs)
    .scalar_subquery()
)
RUN_COLUMNS = [
    *picked(runs, rows.RUN), *picked(run_inputs, rows.INPUT[1:]), holds.c.why, *picked(hooks, rows.HOOK[1:]), _pushes,
    *picked(places, rows.PLACE[1:]),
    *picked(seats, rows.SEATED),
]  # fmt: skip
_beside = runs.join(run_inputs)
for _more in (holds, hooks, places, seats):
    _beside = _beside.outerjoin(_more, _more.c.run_key == runs.c.key)
RUNS = select(*RUN_COLUMNS).select_from(_beside)
WHOLE = runs.c.key.not_in(select(holds.c.run_key).where(holds.c.why == number(f"'{Hold.ANCESTOR}'")))
"""Runs of which more than the beginning is there."""
RUN_BY_ID = named(RUNS.where(runs.c.id == bindparam("id")))
RUN_BY_KEY = named(RUNS.where(runs.c.key == bindparam("run_key")))
_forked = RUNS.where(runs.c.parent.between(bindparam("first"), bindparam("last")))
FORKS = named(first_rows(_forked.where(runs.c.key > bindparam("after")).order_by(runs.c.key)))
ACTIVE_RUNS = named(
    select(runs.c.key)
    .where(runs.c.status == number("'running'"), runs.c.key.not_in(select(holds.c.run_key)))
    .order_by(runs.c.key)
)
_OF_RUNS = (
    commits, events, timers, assignments, interrupts, dead_letters, notices, hooks, pushes, holds, places, seats,
    run_inputs, artifact_refs,
)  # fmt: skip
OWNED = {table.name: named(delete(table).where(table.c.run_key == bindparam("run_key"))) for table in _OF_RUNS}
"""What deletes the rows that a run owns, by table."""
DELETE_RUN = named(delete(runs).where(runs.c.key == bindparam("run_key")))
LAST_RUN_KEY = "SELECT seq FROM sqlite_sequence WHERE name = 'runs'"

# ---- history

_COMMITS = select(*picked(commits, rows.COMMIT))
_of_run = commits.c.run_key == bindparam("run_key")
_between = commits.c.seq.between(bindparam("first"), bindparam("last"))
COMMITS = named(_COMMITS.where(_of_run, _between).order_by(commits.c.seq))
_refs = func.json_each(bindparam("refs")).table_valued("value", name="refs")
_at_ref = and_(
    commits.c.run_key == _refs.c.value.op(">>")(number(str(SEQ_BITS))),
    commits.c.seq == _refs.c.value.op("&")(number(str((1 << SEQ_BITS) - 1))),
)
COMMITS_AT = named(_COMMITS.select_from(_refs.join(commits, _at_ref)))
_newest_first = commits.c.seq.desc()
COMMITS_BEFORE = named(first_rows(_COMMITS.where(_of_run, commits.c.seq < bindparam("before")).order_by(_newest_first)))
COMMITS_OF_NODE = named(
    first_rows(_COMMITS.where(_of_run, _between, commits.c.node == bindparam("node")).order_by(_newest_first))
)

_holds = func.instr(commits.c.body, bindparam("text")) > number("0")
_briefs = select(*picked(commits, rows.BRIEF)).where(_of_run, _between).order_by(commits.c.seq)
BRIEFS, BRIEFS_HOLDING = named(_briefs), named(_briefs.where(_holds))

TURNS = named(first_rows(_COMMITS.where(_of_run, commits.c.seq > bindparam("after"), IS_TURN).order_by(commits.c.seq)))

_EVENTS = select(*picked(events, rows.EVENT)).where(events.c.run_key == bindparam("run_key")).order_by(events.c.n)
EVENTS = named(first_rows(_EVENTS.where(events.c.n > bindparam("after"))))
TASK_EVENTS = named(
    first_rows(_EVENTS.where(events.c.task_id == bindparam("task_id"), events.c.n > bindparam("after")))
)
LAST_EVENT = named(select(func.max(events.c.n)).where(events.c.run_key == bindparam("run_key")))

# ---- interrupts, timers

INTERRUPT_COLUMNS = [*picked(interrupts, rows.INTERRUPT), *picked(assignments, rows.ASSIGNED)]
WITH_ASSIGNEE = interrupts.outerjoin(assignments, assignments.c.interrupt_id == interrupts.c.id)
INTERRUPT = named(select(*INTERRUPT_COLUMNS).select_from(WITH_ASSIGNEE).where(interrupts.c.id == bindparam("id")))
ASSIGNMENT = ("interrupt_id", "run_key", "assignee", "claimed_at")
ASSIGN = insert_into(assignments, ASSIGNMENT)
UNASSIGN = named(delete(assignments).where(assignments.c.interrupt_id == bindparam("id")))
TIMERS = named(
    select(*picked(timers, rows.TIMER))
    .where(timers.c.run_key == bindparam("run_key"))
    .order_by(timers.c.task_id, timers.c.kind)
)

_place = tuple_(timers.c.run_key, timers.c.task_id, timers.c.kind)
RESTING_TIMERS = named(
    first_rows(
        select(*picked(timers, rows.TIMER))
        .join_from(timers, runs, timers.c.run_key == runs.c.key)
        .where(_place > tuple_(*(bindparam(f"after_{i}") for i in range(3))), runs.c.status == number("'interrupted'"))
        .where(runs.c.key.not_in(select(holds.c.run_key)))
        .order_by(timers.c.run_key, timers.c.task_id, timers.c.kind)
    )
)

# ---- workflows, workers, the server

WORKFLOW_COLUMNS = [
    *picked(workflows, ("id", "version", "source", "name", "tags", "created_at", "updated_at", "document")),
    workflow_heads.c.status, workflow_heads.c.version, workflow_heads.c.updated_at,
]  # fmt: skip
WORKFLOWS = select(*WORKFLOW_COLUMNS).join_from(workflows, workflow_heads, workflows.c.id == workflow_heads.c.id)
_of_workflow = WORKFLOWS.where(workflows.c.id == bindparam("id"))
WORKFLOW_VERSION = named(_of_workflow.where(workflows.c.version == bindparam("version")))
NEWEST_WORKFLOW = named(_of_workflow.where(workflows.c.version == workflow_heads.c.version))
WORKFLOW_VERSIONS = named(_of_workflow.order_by(workflows.c.version.desc()))
INSERT_WORKFLOW = named(insert(workflows))
_set_head = upsert(workflow_heads).values({c.name: bindparam(c.name) for c in workflow_heads.columns})
SET_WORKFLOW_HEAD = named(
    _set_head.on_conflict_do_update(
        index_elements=["id"],
        set_={name: _set_head.excluded[name] for name in ("version", "status", "updated_at")},
        where=_set_head.excluded.version > workflow_heads.c.version,
    )
)
SET_WORKFLOW_STATUS = named(
    update(workflow_heads)
    .where(workflow_heads.c.id == bindparam("workflow_id"))
    .values(status=bindparam("new_status"), updated_at=bindparam("at"))
)

_this_claim = and_(claims.c.scope == bindparam("in_scope"), claims.c.key == bindparam("of_key"))
CLAIM = named(select(*picked(claims, rows.CLAIM)).where(_this_claim))
ADD_CLAIM = insert_into(claims, rows.CLAIM)
_too_old = claims.c.at <= bindparam("until")
_oldest = first_rows(select(claims.c.scope, claims.c.key).where(_too_old).order_by(claims.c.at))
FORGET_CLAIMS = named(delete(claims).where(tuple_(claims.c.scope, claims.c.key).in_(_oldest)))
"""The oldest ones, at most `limit`."""
FORGET_CLAIM = ordered(delete(claims).where(_this_claim, _too_old), ["in_scope", "of_key", "until"])
KEEP_ANSWER = named(
    update(claims).where(_this_claim).values({name: bindparam(f"new_{name}") for name in ("status", "headers", "body")})
)

PROBE = named(insert(probes).prefix_with("OR REPLACE").values(n=number("1"), room=bindparam("room")))

SERVER_SECRET = named(select(server_secret.c.value))
KEEP_SERVER_SECRET = named(insert(server_secret))

WORKER = named(select(*picked(workers, rows.WORKER)).where(workers.c.id == bindparam("id")))
WORKERS = named(select(*picked(workers, rows.WORKER)).order_by(workers.c.id))
INSERT_WORKER = named(insert(workers))
REPLACE_WORKER = named(
    update(workers)
    .where(workers.c.id == bindparam("id"))
    .values({name: bindparam(name) for name in rows.WORKER if name != "id"})
)
DELETE_WORKER = named(delete(workers).where(workers.c.id == bindparam("id")))
