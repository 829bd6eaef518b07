"""Jobs in SQLite: each with its runs, which are marked in the transaction that deals with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, case, insert, select, update

from engine.claims import Claim
from engine.jobs import Action, ItemStatus, Job, JobItem, JobStatus, Target
from engine.ports import Batch
from store import _claims as claims
from store import _cursor as cursors
from store._cursor import Place
from store._json import from_text, to_text
from store._statements import first_rows, named, ordered, picked
from store._tables import job_items, jobs

Change = Callable[[sqlite3.Connection], None]

_JOB = tuple(field.name for field in fields(Job))
_ITEM = tuple(field.name for field in fields(JobItem))
_TARGET = ("job_id", "run_key", "run_id", "status")
_INSERT = ordered(insert(jobs).values({name: bindparam(name) for name in _JOB}), _JOB)
_INSERT_TARGET = ordered(insert(job_items).values({name: bindparam(name) for name in _TARGET}), _TARGET)
_END_ITEM = named(
    update(job_items)
    .where(
        job_items.c.job_id == bindparam("job"),
        job_items.c.run_key == bindparam("run"),
        job_items.c.status == bindparam("was"),
    )
    .values({name: bindparam(f"new_{name}") for name in ("status", "made", "error_code", "error", "at")})
)
_over = jobs.c.total == jobs.c.done + jobs.c.failed + bindparam("more_done") + bindparam("more_failed")
_COUNT = named(
    update(jobs)
    .where(jobs.c.id == bindparam("job"))
    .values(
        done=jobs.c.done + bindparam("more_done"),
        failed=jobs.c.failed + bindparam("more_failed"),
        updated_at=bindparam("at"),
        status=case((_over & (jobs.c.status == bindparam("running")), bindparam("completed")), else_=jobs.c.status),
        ended_at=case((_over & jobs.c.ended_at.is_(None), bindparam("ended")), else_=jobs.c.ended_at),
    )
)
_CANCEL = named(
    update(jobs)
    .where(jobs.c.id == bindparam("job"), jobs.c.status == bindparam("was"))
    .values(status=bindparam("now"), updated_at=bindparam("at"), ended_at=bindparam("ended"))
)
_LEAVE_OUT = named(
    update(job_items)
    .where(job_items.c.job_id == bindparam("job"), job_items.c.status == bindparam("was"))
    .values(status=bindparam("now"), at=bindparam("time"))
)
ONE = named(select(*picked(jobs, _JOB)).where(jobs.c.id == bindparam("job")))


def create(job: Job, targets: Sequence[Target], claim: Claim | None) -> Change:
    """Write a job with its runs and the key that it was asked with."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(_INSERT, [_value(job, name) for name in _JOB])
        rows = ((job.id, one.run_key, one.run_id, ItemStatus.PENDING.value) for one in targets)
        connection.executemany(_INSERT_TARGET, rows)
        claims.add(connection, [claim.on(job.id, job.created_at)] if claim is not None else [])

    return change


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Mark the runs that a batch deals with, and count them; one that is marked already is not counted again."""
    for item in batch.items:
        given = {"job": item.job_id, "run": item.run_key, "was": ItemStatus.PENDING.value}
        new = {f"new_{name}": getattr(item, name) for name in ("made", "error_code", "error", "at")}
        found = connection.execute(_END_ITEM, {**given, **new, "new_status": item.status.value})
        if found.rowcount:
            count = {"more_done": item.status is ItemStatus.DONE, "more_failed": item.status is ItemStatus.FAILED}
            told = {"running": JobStatus.RUNNING.value, "completed": JobStatus.COMPLETED.value}
            connection.execute(_COUNT, {"job": item.job_id, **count, **told, "at": item.at, "ended": item.at})


def cancel(job_id: str, at: int, done: Callable[[bool], None]) -> Change:
    """Leave out what a running job has not dealt with, and tell whether it was running."""
    given = {"job": job_id, "was": JobStatus.RUNNING.value, "now": JobStatus.CANCELLED.value, "at": at, "ended": at}

    def change(connection: sqlite3.Connection) -> None:
        running = connection.execute(_CANCEL, given).rowcount > 0
        if running:
            items = {"job": job_id, "was": ItemStatus.PENDING.value, "now": ItemStatus.CANCELLED.value, "time": at}
            connection.execute(_LEAVE_OUT, items)
        done(running)

    return change


@lru_cache(maxsize=4)
def _listed(used: tuple[str, ...]) -> str:
    conditions = {"status": jobs.c.status == bindparam("status"), "after": jobs.c.n < bindparam("after")}
    found = select(*picked(jobs, _JOB), jobs.c.n).where(*(conditions[name] for name in used))
    return named(first_rows(found.order_by(jobs.c.n.desc())))


def query(status: str | None, limit: int, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a list of jobs, and its parameters."""
    given = {"status": status, "after": after[0] if after else None}
    found = {name: value for name, value in given.items() if value is not None}
    return _listed(tuple(found)), {**found, "limit": limit}


def page(found: Sequence[Sequence[Any]], limit: int) -> tuple[tuple[Job, ...], str | None]:
    """A page of the jobs that were found when one more was looked for."""
    made = cursors.page("jobs", found, limit, lambda row: (row[-1],))
    return tuple(map(job_of, made.items)), made.next_cursor


@lru_cache(maxsize=4)
def _items(used: tuple[str, ...]) -> str:
    conditions = {
        "job": job_items.c.job_id == bindparam("job"),
        "status": job_items.c.status == bindparam("status"),
        "after": job_items.c.n > bindparam("after"),
    }
    found = select(*picked(job_items, _ITEM), job_items.c.n).where(*(conditions[name] for name in used))
    return named(first_rows(found.order_by(job_items.c.n)))


def item_query(job_id: str, status: str | None, limit: int, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a list of the runs of a job, and its parameters."""
    given = {"job": job_id, "status": status, "after": after[0] if after else None}
    found = {name: value for name, value in given.items() if value is not None}
    return _items(tuple(found)), {**found, "limit": limit}


def item_page(found: Sequence[Sequence[Any]], limit: int) -> tuple[tuple[JobItem, ...], str | None]:
    """A page of the runs that were found when one more was looked for."""
    made = cursors.page("job_items", found, limit, lambda row: (row[-1],))
    return tuple(map(_item_of, made.items)), made.next_cursor


def job_of(row: Sequence[Any]) -> Job:
    """A job of its columns."""
    given = dict(zip(_JOB, row, strict=False))
    typed = {"action": Action(given["action"]), "status": JobStatus(given["status"])}
    return Job(**{**given, **typed, "asked": from_text(given["asked"])})


def _item_of(row: Sequence[Any]) -> JobItem:
    given = dict(zip(_ITEM, row, strict=False))
    return JobItem(**{**given, "status": ItemStatus(given["status"])})


def _value(job: Job, name: str) -> Any:
    value = getattr(job, name)
    return to_text(value) if name == "asked" else value.value if name in ("action", "status") else value
