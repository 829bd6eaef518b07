"""The tables of the store, and the revision of the schema that this code reads and writes.

Rows of one run are reached by its integer key. `commits` and `events` are appended to and never changed: plain rowid
tables with a small index by (run, number) take several times as many rows a second as tables clustered by it (see
docs/adr/0003-committing.md). What a run was given (`run_inputs`) stands apart from where it is (`runs`), because
SQLite writes the whole row anew at each update. Columns that may be long come last: those before them are read
without them.
"""

from __future__ import annotations

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

from engine.model import TURNS

REVISION = "0017"
"""The newest migration in `migrations/versions`; a database is stamped with the revision that it has."""

metadata = MetaData()
_Int = BigInteger().with_variant(Integer(), "sqlite")


def _run_key() -> Column[int]:
    return Column("run_key", _Int, ForeignKey("runs.key"), nullable=False)


# Alembic's version table under our name: one row, one stamp.
meta = Table("meta", metadata, Column("version_num", String(32)), PrimaryKeyConstraint("version_num", name="meta_pkc"))

runs = Table(
    "runs",
    metadata,
    Column("key", _Int, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("workflow_id", Text, nullable=False),
    Column("workflow_version", _Int, nullable=False),
    Column("status", Text, nullable=False),
    Column("head", _Int, nullable=False),
    Column("version", _Int, nullable=False),
    Column("branch", _Int, nullable=False),
    Column("epoch", _Int, nullable=False),
    Column("lease_owner", Text),
    Column("lease_expires_at", _Int),
    Column("origin_id", Text, nullable=False),
    Column("parent", _Int),
    Column("parent_id", Text),
    Column("name", Text),
    Column("error", Text),
    Column("input_tokens", _Int, nullable=False),
    Column("output_tokens", _Int, nullable=False),
    Column("cost", REAL, nullable=False),
    Column("task_count", _Int, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("updated_at", _Int, nullable=False),
    Column("finished_at", _Int),
    sqlite_autoincrement=True,  # the key of a deleted run is never given to another one: refs hold it
)
Index("runs_by_time", runs.c.created_at, runs.c.key)
Index("runs_by_status", runs.c.status, runs.c.created_at, runs.c.key)
Index("runs_by_workflow", runs.c.workflow_id, runs.c.created_at, runs.c.key)
Index("runs_by_parent_id", runs.c.parent_id, runs.c.created_at, runs.c.key, sqlite_where=runs.c.parent_id.is_not(None))
_ended = runs.c.finished_at.is_not(None)
_by_end = (runs.c.status, runs.c.finished_at, runs.c.key)
Index("runs_by_end", *_by_end, sqlite_where=_ended)
Index("runs_by_workflow_end", runs.c.workflow_id, *_by_end, sqlite_where=_ended)
Index("runs_by_parent", runs.c.parent, sqlite_where=runs.c.parent.is_not(None))

run_inputs = Table(
    "run_inputs",
    metadata,
    Column("run_key", _Int, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("tags", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("config", Text, nullable=False),
    Column("input", Text, nullable=False),
    Column("stops", Text),  # breakpoints of its own: [before, after]
    Column("trigger", Text),  # what had it start, where that is not the interface
)

# Runs that do nothing by themselves, whatever their status; all others have no row here.
holds = Table(
    "holds",
    metadata,
    Column("run_key", _Int, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("why", Text, nullable=False),
)

# The places of runs among others, of those that asked for one or are queued; all others have no row here.
places = Table(
    "places",
    metadata,
    Column("run_key", _Int, ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False),
    Column("priority", _Int, nullable=False),
    Column("concurrency_key", Text),
    Column("start_at", _Int),
    Column("reason", Text),  # why it is queued
)
# The runs of sessions. `place` counts them as they begin; `waits` says how one waits for its turn.
seats = Table(
    "seats",
    metadata,
    Column("run_key", _Int, ForeignKey("runs.key"), primary_key=True, autoincrement=False),
    Column("session_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("place", _Int),
    Column("waits", Text),
)
_began, _waits = seats.c.place.is_not(None), seats.c.waits.is_not(None)
Index("seats_by_time", seats.c.session_id, seats.c.created_at, seats.c.run_key)
Index("seats_by_place", seats.c.session_id, seats.c.place, unique=True, sqlite_where=_began)
Index("seats_by_workflow", seats.c.session_id, seats.c.workflow_id, seats.c.place, sqlite_where=_began)
Index("seats_that_wait", seats.c.session_id, seats.c.waits.desc(), seats.c.run_key, sqlite_where=_waits)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("updated_at", _Int, nullable=False),
)
Index("sessions_by_time", sessions.c.updated_at, sessions.c.id)

commits = Table(
    "commits",
    metadata,
    _run_key(),
    Column("seq", _Int, nullable=False),
    Column("branch", _Int, nullable=False),
    Column("parent", _Int),
    Column("kind", Text, nullable=False),
    Column("node", Text),
    Column("task_id", Text),
    Column("level", _Int),
    Column("at", _Int, nullable=False),
    Column("status", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("version", _Int, nullable=False),
    Column("epoch", _Int, nullable=False),
    Column("dominator", _Int),
    Column("base", _Int),
    Column("body", LargeBinary, nullable=False),
    Column("snapshot", LargeBinary),
    PrimaryKeyConstraint("run_key", "seq"),
)
IS_TURN = text(f"kind IN ({', '.join(repr(kind.value) for kind in sorted(TURNS))})")
Index("commits_that_turn", commits.c.run_key, commits.c.seq, sqlite_where=IS_TURN)  # an ordinary commit pays nothing

events = Table(
    "events",
    metadata,
    _run_key(),
    Column("n", _Int, nullable=False),
    Column("seq", _Int, nullable=False),
    Column("at", _Int, nullable=False),
    Column("kind", Text, nullable=False),
    Column("task_id", Text),
    Column("body", Text, nullable=False),
    PrimaryKeyConstraint("run_key", "n"),
)
Index("events_by_task", events.c.run_key, events.c.task_id, events.c.n, sqlite_where=events.c.task_id.is_not(None))

timers = Table(
    "timers",
    metadata,
    _run_key(),
    Column("task_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("due_at", _Int, nullable=False),
    PrimaryKeyConstraint("run_key", "task_id", "kind"),
)

interrupts = Table(
    "interrupts",
    metadata,
    Column("n", _Int, primary_key=True),  # the order in which they were opened
    Column("id", Text, nullable=False, unique=True),
    _run_key(),
    Column("run_id", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("schema", Text, nullable=False),
    Column("actions", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("expires_at", _Int),
    Column("resolved_at", _Int),
)
Index("interrupts_by_status", interrupts.c.status, interrupts.c.n)
Index("interrupts_by_run", interrupts.c.run_key, interrupts.c.n)

# Tasks that have failed for good.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("n", _Int, primary_key=True),  # the order in which they failed
    Column("id", Text, nullable=False, unique=True),
    _run_key(),
    Column("run_id", Text, nullable=False),
    Column("seq", _Int, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("index", _Int),
    Column("attempt", _Int, nullable=False),
    Column("worker", Text),
    Column("error", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("redriven_at", _Int),
)
Index("dead_letters_by_status", dead_letters.c.status, dead_letters.c.n)
Index("dead_letters_by_run", dead_letters.c.run_key)

# Who is told outside how a run ends.
hooks = Table(
    "hooks",
    metadata,
    Column("run_key", _Int, ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text),
    Column("events", Text, nullable=False),
)

# Who is told outside of everything that a run comes to.
pushes = Table(
    "pushes",
    metadata,
    _run_key(),
    Column("id", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("token", Text),
    Column("scheme", Text),
    Column("credentials", Text),
    PrimaryKeyConstraint("run_key", "id"),
)

# What they are told.
notices = Table(
    "notices",
    metadata,
    Column("n", _Int, primary_key=True),  # the order in which they were made
    Column("id", Text, nullable=False, unique=True),
    _run_key(),
    Column("run_id", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("since", _Int, nullable=False),
    Column("due_at", _Int),
    Column("status", Text, nullable=False),
    Column("attempts", _Int, nullable=False),
    Column("last_error", Text),
    Column("ended_at", _Int),
    Column("body", LargeBinary, nullable=False),
    Column("push", Text, nullable=False, server_default=""),
    Column("media_type", Text, nullable=False, server_default="application/json"),
)
Index("notices_by_status", notices.c.status, notices.c.n)
Index("notices_by_run", notices.c.run_key, notices.c.n)

# Who is looking after an interrupt.
assignments = Table(
    "assignments",
    metadata,
    Column("interrupt_id", Text, primary_key=True, nullable=False),
    _run_key(),
    Column("assignee", Text, nullable=False),
    Column("claimed_at", _Int, nullable=False),
)
Index("assignments_by_run", assignments.c.run_key)

workflows = Table(
    "workflows",
    metadata,
    Column("id", Text, nullable=False),
    Column("version", _Int, nullable=False),
    Column("source", Text, nullable=False),
    Column("name", Text),
    Column("tags", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("updated_at", _Int, nullable=False),
    Column("document", Text, nullable=False),
    PrimaryKeyConstraint("id", "version"),
)

workflow_heads = Table(
    "workflow_heads",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("version", _Int, nullable=False),  # the newest one
    Column("status", Text, nullable=False),
    Column("updated_at", _Int, nullable=False),
)
Index("workflow_heads_by_time", workflow_heads.c.updated_at, workflow_heads.c.id)

# Idempotency keys: what a request has made, and its first answer.
claims = Table(
    "claims",
    metadata,
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("made", Text, nullable=False),
    Column("at", _Int, nullable=False),
    Column("status", _Int),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary),
    PrimaryKeyConstraint("scope", "key"),
)
Index("claims_by_time", claims.c.at)

# Answers that count for other tasks too, by what was asked.
kept_answers = Table(
    "kept_answers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("worker", Text),
    Column("expires_at", _Int, nullable=False),
)
Index("kept_answers_by_time", kept_answers.c.expires_at)

# One action on many runs, and what became of each of them.
jobs = Table(
    "jobs",
    metadata,
    Column("n", _Int, primary_key=True),  # the order in which they were asked for
    Column("id", Text, nullable=False, unique=True),
    Column("action", Text, nullable=False),
    Column("asked", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("total", _Int, nullable=False),
    Column("done", _Int, nullable=False),
    Column("failed", _Int, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("updated_at", _Int, nullable=False),
    Column("ended_at", _Int),
)
Index("jobs_by_status", jobs.c.status, jobs.c.n)

job_items = Table(
    "job_items",
    metadata,
    Column("n", _Int, primary_key=True),
    Column("job_id", Text, ForeignKey("jobs.id"), nullable=False),
    Column("run_key", _Int, nullable=False),  # of a run that may be gone
    Column("run_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("made", Text),
    Column("error_code", Text),
    Column("error", Text),
    Column("at", _Int),
)
Index("job_items_by_run", job_items.c.job_id, job_items.c.run_key, unique=True)
Index("job_items_by_status", job_items.c.job_id, job_items.c.status, job_items.c.n)

# What is written to see whether there is room again on a disk that was full: one row.
probes = Table("probes", metadata, Column("n", _Int, primary_key=True), Column("room", LargeBinary, nullable=False))

server_secret = Table("server_secret", metadata, Column("value", LargeBinary, nullable=False))  # one row

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("url", Text),
    Column("tags", Text, nullable=False),
    Column("max_concurrent", _Int, nullable=False),
    Column("token", Text),
    Column("secret", Text),
    Column("headers", Text, nullable=False),
    Column("model", Text),
    Column("health", Text),
    Column("status", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", _Int, nullable=False),
    Column("updated_at", _Int, nullable=False),
)
