"""Artifacts in SQLite: their rows, the bytes of the small ones, and the references to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, insert, select, update
from sqlalchemy import literal_column as number
from sqlalchemy.dialects.sqlite import insert as upsert

from engine.artifacts import Artifact, Lease, Totals
from engine.ports import Batch
from store import _cursor as cursors
from store._artifact_refs import referred
from store._artifact_tables import artifact_contents, artifact_refs, artifacts
from store._artifact_upload import Arrived
from store._cursor import Place
from store._errors import artifact_in_use, no_artifact
from store._json import to_text
from store._statements import first_rows, named, ordered, picked

Change = Callable[[sqlite3.Connection], None]

_SHOWN = ("sha256", "size", "media_type", "created_at", "expires_at")
_ROW = (*_SHOWN, "held_until")
_put = upsert(artifacts).values({name: bindparam(name) for name in _ROW})
_PUT = named(
    _put.on_conflict_do_update(
        index_elements=["sha256"],
        set_={name: func.max(artifacts.c[name], _put.excluded[name]) for name in ("expires_at", "held_until")},
    )
)
_PUT_CONTENT = named(insert(artifact_contents).prefix_with("OR IGNORE"))
_REFER = ordered(
    insert(artifact_refs).prefix_with("OR IGNORE").values(run_key=bindparam("run_key"), sha256=bindparam("sha256")),
    ["run_key", "sha256"],
)
_one = artifacts.c.sha256 == bindparam("name")
ONE = named(select(*picked(artifacts, _SHOWN)).where(_one))
CONTENT = named(
    select(func.substr(artifact_contents.c.content, bindparam("start"), bindparam("size"))).where(
        artifact_contents.c.sha256 == bindparam("name")
    )
)
_of_run = artifact_refs.c.run_key == bindparam("run_key")
TOTALS = named(
    select(func.count(), func.coalesce(func.sum(artifacts.c.size), number("0")))
    .select_from(artifact_refs.join(artifacts, artifacts.c.sha256 == artifact_refs.c.sha256))
    .where(_of_run)
)
_names = func.json_each(bindparam("names")).table_valued("value")
_named = artifacts.c.sha256.in_(select(_names.c.value))
_THERE = named(select(artifacts.c.sha256).where(_named))
_EXTEND = named(
    update(artifacts)
    .where(_named)
    .values(
        expires_at=func.max(artifacts.c.expires_at, bindparam("expires")),
        held_until=func.max(artifacts.c.held_until, bindparam("held")),
    )
)
_is_used = exists().where(artifact_refs.c.sha256 == artifacts.c.sha256)
_is_over = (artifacts.c.expires_at <= bindparam("now")) & (artifacts.c.held_until <= bindparam("now")) & ~_is_used
_in_window = artifacts.c.n.between(bindparam("first"), bindparam("last"))
OVER = named(select(artifacts.c.sha256).where(_in_window, _is_over).order_by(artifacts.c.n))
LAST = named(select(func.coalesce(func.max(artifacts.c.n), number("0"))))
_DELETE_OVER = named(delete(artifacts).where(_named, _is_over).returning(artifacts.c.sha256))
_DELETE_CONTENT = named(delete(artifact_contents).where(artifact_contents.c.sha256.in_(select(_names.c.value))))
_DELETE_UNUSED = named(
    delete(artifacts).where(_one, artifacts.c.held_until <= bindparam("now"), ~_is_used).returning(artifacts.c.sha256)
)
KNOWN = named(select(artifacts.c.sha256).where(_named))
IS_THERE = f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{artifact_contents.name}'"
"""Whether a database is of a version that knows artifacts."""
FILED = named(select(artifacts.c.sha256).where(artifacts.c.sha256.not_in(select(artifact_contents.c.sha256))))
"""Those whose bytes are files."""


def write(connection: sqlite3.Connection, batch: Batch) -> None:
    """Write the references that a batch makes, in the open transaction."""
    if found := referred(batch):
        connection.executemany(_REFER, sorted(found))


def put(arrived: Arrived, lease: Lease) -> Change:
    """Add an artifact, or extend the lease of the one that has the same bytes."""

    def change(connection: sqlite3.Connection) -> None:
        row = {name: getattr(arrived, name) for name in ("sha256", "size", "media_type")}
        times = {"created_at": lease.now, "expires_at": lease.expires_at, "held_until": lease.held_until}
        connection.execute(_PUT, {**row, **times})
        if arrived.content is not None:
            connection.execute(_PUT_CONTENT, {"sha256": arrived.sha256, "content": arrived.content})

    return change


def hold(names: Iterable[str], until: int, missing: Callable[[set[str]], None]) -> Change:
    """Have artifacts stay, and tell which of them are not there."""
    listed = sorted(set(names))

    def change(connection: sqlite3.Connection) -> None:
        given = {"names": to_text(listed)}
        missing(set(listed).difference(name for (name,) in connection.execute(_THERE, given)))
        connection.execute(_EXTEND, {**given, "expires": 0, "held": until})

    return change


def touch(sha256: str, expires_at: int) -> Change:
    """Extend a lease. Raises NotFound."""

    def change(connection: sqlite3.Connection) -> None:
        given = {"names": to_text([sha256]), "expires": expires_at, "held": 0}
        if not connection.execute(_EXTEND, given).rowcount:
            raise no_artifact(sha256)

    return change


def remove(sha256: str, now: int) -> Change:
    """Delete an artifact that nobody refers to. Raises NotFound or Conflict."""

    def change(connection: sqlite3.Connection) -> None:
        if connection.execute(ONE, {"name": sha256}).fetchone() is None:
            raise no_artifact(sha256)
        if not connection.execute(_DELETE_UNUSED, {"name": sha256, "now": now}).fetchall():
            raise artifact_in_use(sha256)
        connection.execute(_DELETE_CONTENT, {"names": to_text([sha256])})

    return change


def collect(names: Sequence[str], now: int, gone: Callable[[list[str]], None]) -> Change:
    """Delete those of some artifacts that are over still, and tell which they were."""

    def change(connection: sqlite3.Connection) -> None:
        found = connection.execute(_DELETE_OVER, {"names": to_text(list(names)), "now": now}).fetchall()
        deleted = [name for (name,) in found]
        connection.execute(_DELETE_CONTENT, {"names": to_text(deleted)})
        gone(deleted)

    return change


@lru_cache(maxsize=4)
def _listed(of_run: bool, after: bool) -> str:
    found = select(*picked(artifacts, _SHOWN), artifacts.c.n)
    if of_run:
        found = found.join(artifact_refs, artifact_refs.c.sha256 == artifacts.c.sha256).where(_of_run)
    if after:
        found = found.where(artifacts.c.n < bindparam("after"))
    return named(first_rows(found.order_by(artifacts.c.n.desc())))


def query(run_key: int | None, limit: int, after: Place | None) -> tuple[str, dict[str, Any]]:
    """The statement of a list of artifacts, and its parameters."""
    given = {"run_key": run_key, "after": after[0] if after else None}
    found = {name: value for name, value in given.items() if value is not None}
    return _listed(run_key is not None, after is not None), {**found, "limit": limit}


def page(found: Sequence[Sequence[Any]], limit: int) -> tuple[tuple[Artifact, ...], str | None]:
    """A page of the artifacts that were found when one more was looked for."""
    made = cursors.page("artifacts", found, limit, lambda row: (row[-1],))
    return tuple(map(artifact_of, made.items)), made.next_cursor


def artifact_of(row: Sequence[Any]) -> Artifact:
    """An artifact of its columns."""
    return Artifact(**dict(zip(_SHOWN, row, strict=False)))


def totals_of(row: Sequence[Any]) -> Totals:
    """The totals of their columns."""
    return Totals(count=row[0], size=row[1])
