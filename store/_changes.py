"""Changes beside the batches, each done on a connection in a transaction of its own: workflows, workers, deletion."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from engine.claims import Claim
from engine.model import SEQ_BITS
from engine.ports import WorkerRow, WorkflowRow
from store import _claims as claims
from store import _log as log
from store import _rows as rows
from store import _sessions as sessions
from store import _statements as sql
from store._errors import free_to_assign, has_forks, no_worker, no_workflow, version_exists, worker_exists

PROBE_BYTES = 256 * 1024

Change = Callable[[sqlite3.Connection], None]


def probe(connection: sqlite3.Connection) -> None:
    """Write as many pages as a batch of some size does, always the same ones."""
    connection.execute(sql.PROBE, {"room": b"\0" * PROBE_BYTES})


def refs_of(run_key: int) -> dict[str, int]:
    """The first and last ref that a commit of this run can have."""
    return {"first": run_key << SEQ_BITS, "last": (run_key + 1 << SEQ_BITS) - 1}


def delete_run(run_key: int) -> Change:
    """Delete a run and all it owns. Raises Conflict while runs live that were forked from it."""

    def change(connection: sqlite3.Connection) -> None:
        given = {**refs_of(run_key), "after": 0, "limit": 20}
        if forks := connection.execute(sql.FORKS, given).fetchall():
            raise has_forks([rows.run_head(row).id for row in forks])
        given, session = {"run_key": run_key}, sessions.session_of(connection, run_key)
        log.keep_end(connection)
        for statement in sql.OWNED.values():
            connection.execute(statement, given)
        connection.execute(sql.DELETE_RUN, given)
        sessions.forget_empty(connection, session)

    return change


def assign(interrupt_id: str, assignee: str, at: int) -> Change:
    """Have somebody look after an open interrupt. Raises NotFound or Conflict."""

    def change(connection: sqlite3.Connection) -> None:
        found = connection.execute(sql.INTERRUPT, {"id": interrupt_id}).fetchone()
        row = None if found is None else rows.interrupt_row(found)
        if free_to_assign(row, interrupt_id, assignee):
            connection.execute(sql.ASSIGN, (interrupt_id, row.run_key, assignee, at))

    return change


def unassign(interrupt_id: str) -> Change:
    """Have nobody look after an interrupt any more."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(sql.UNASSIGN, {"id": interrupt_id})

    return change


def put_workflow(row: WorkflowRow, claim: Claim | None = None) -> Change:
    """Add a version; its workflow takes the status of the newest. Raises Conflict when the version exists."""
    values = rows.workflow_values(row)

    def change(connection: sqlite3.Connection) -> None:
        try:
            connection.execute(sql.INSERT_WORKFLOW, values)
        except sqlite3.IntegrityError as error:
            raise version_exists(row) from error
        connection.execute(sql.SET_WORKFLOW_HEAD, values)
        claims.add(connection, [claim.on(row.id, row.created_at)] if claim is not None else [])

    return change


def set_workflow_status(workflow_id: str, status: str, at: int) -> Change:
    """Set the status of a workflow. Raises NotFound."""

    def change(connection: sqlite3.Connection) -> None:
        given = {"workflow_id": workflow_id, "new_status": status, "at": at}
        if not connection.execute(sql.SET_WORKFLOW_STATUS, given).rowcount:
            raise no_workflow(workflow_id)

    return change


def keep_server_secret(fresh: bytes) -> Change:
    """Keep a secret for the server, unless there is one."""

    def change(connection: sqlite3.Connection) -> None:
        if connection.execute(sql.SERVER_SECRET).fetchone() is None:
            connection.execute(sql.KEEP_SERVER_SECRET, {"value": fresh})

    return change


def add_worker(row: WorkerRow, claim: Claim | None = None) -> Change:
    """Add a worker. Raises Conflict when the id is taken."""
    values = rows.worker_values(row)

    def change(connection: sqlite3.Connection) -> None:
        try:
            connection.execute(sql.INSERT_WORKER, values)
        except sqlite3.IntegrityError as error:
            raise worker_exists(row.id) from error
        claims.add(connection, [claim.on(row.id, row.created_at)] if claim is not None else [])

    return change


def replace_worker(row: WorkerRow) -> Change:
    """Replace a worker. Raises NotFound: one that was deleted meanwhile does not come back."""
    values = rows.worker_values(row)

    def change(connection: sqlite3.Connection) -> None:
        if not connection.execute(sql.REPLACE_WORKER, values).rowcount:
            raise no_worker(row.id)

    return change


def delete_worker(worker_id: str) -> Change:
    """Delete a worker; nothing happens when there is none."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute(sql.DELETE_WORKER, {"id": worker_id})

    return change
