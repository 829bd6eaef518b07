"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.Integer


def upgrade() -> None:
    _runs()
    _history()
    _timers_and_interrupts()
    _workflows()
    _server()
    _workers()


def downgrade() -> None:
    for table in (
        "workers", "server_secret", "workflow_heads", "workflows", "interrupts", "timers", "events", "commits",
        "run_inputs", "runs",
    ):  # fmt: skip
        op.drop_table(table)


def _needed(name: str, kind: sa.types.TypeEngine | type, *rest: object, **options: object) -> sa.Column:
    return sa.Column(name, kind, *rest, nullable=False, **options)


def _run_key(**options: object) -> sa.Column:
    return _needed("run_key", NUMBER, sa.ForeignKey("runs.key"), **options)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("key", NUMBER, primary_key=True, autoincrement=False),
        _needed("id", sa.Text, unique=True),
        _needed("workflow_id", sa.Text),
        _needed("workflow_version", NUMBER),
        _needed("status", sa.Text),
        _needed("head", NUMBER),
        _needed("version", NUMBER),
        _needed("branch", NUMBER),
        _needed("epoch", NUMBER),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_expires_at", NUMBER),
        _needed("origin_id", sa.Text),
        sa.Column("parent", NUMBER),
        sa.Column("parent_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("error", sa.Text),
        _needed("input_tokens", NUMBER),
        _needed("output_tokens", NUMBER),
        _needed("cost", sa.REAL),
        _needed("task_count", NUMBER),
        _needed("created_at", NUMBER),
        _needed("updated_at", NUMBER),
        sa.Column("finished_at", NUMBER),
        sqlite_autoincrement=True,
    )
    _run_indexes()
    op.create_table(
        "run_inputs",
        _run_key(primary_key=True, autoincrement=False),
        _needed("tags", sa.Text),
        _needed("metadata", sa.Text),
        _needed("config", sa.Text),
        _needed("input", sa.Text),
    )


def _run_indexes() -> None:
    op.create_index("runs_by_parent", "runs", ["parent"], sqlite_where=sa.text("parent IS NOT NULL"))
    op.create_index(
        "runs_by_parent_id",
        "runs",
        ["parent_id", "created_at", "key"],
        sqlite_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("runs_by_status", "runs", ["status", "created_at", "key"])
    op.create_index("runs_by_time", "runs", ["created_at", "key"])
    op.create_index("runs_by_workflow", "runs", ["workflow_id", "created_at", "key"])


def _history() -> None:
    op.create_table(
        "commits",
        _run_key(),
        _needed("seq", NUMBER),
        _needed("branch", NUMBER),
        sa.Column("parent", NUMBER),
        _needed("kind", sa.Text),
        sa.Column("node", sa.Text),
        sa.Column("task_id", sa.Text),
        sa.Column("level", NUMBER),
        _needed("at", NUMBER),
        _needed("status", sa.Text),
        _needed("actor", sa.Text),
        _needed("version", NUMBER),
        _needed("epoch", NUMBER),
        sa.Column("dominator", NUMBER),
        sa.Column("base", NUMBER),
        _needed("body", sa.LargeBinary),
        sa.Column("snapshot", sa.LargeBinary),
        sa.PrimaryKeyConstraint("run_key", "seq"),
    )
    op.create_table(
        "events",
        _run_key(),
        _needed("n", NUMBER),
        _needed("seq", NUMBER),
        _needed("at", NUMBER),
        _needed("kind", sa.Text),
        sa.Column("task_id", sa.Text),
        _needed("body", sa.Text),
        sa.PrimaryKeyConstraint("run_key", "n"),
    )
    op.create_index(
        "events_by_task", "events", ["run_key", "task_id", "n"], sqlite_where=sa.text("task_id IS NOT NULL")
    )


def _timers_and_interrupts() -> None:
    op.create_table(
        "timers",
        _run_key(),
        _needed("task_id", sa.Text),
        _needed("kind", sa.Text),
        _needed("due_at", NUMBER),
        sa.PrimaryKeyConstraint("run_key", "task_id", "kind"),
    )
    op.create_table(
        "interrupts",
        sa.Column("n", NUMBER, primary_key=True),
        _needed("id", sa.Text, unique=True),
        _run_key(),
        _needed("run_id", sa.Text),
        _needed("task_id", sa.Text),
        _needed("node", sa.Text),
        _needed("kind", sa.Text),
        _needed("message", sa.Text),
        _needed("schema", sa.Text),
        _needed("actions", sa.Text),
        _needed("status", sa.Text),
        _needed("created_at", NUMBER),
        sa.Column("expires_at", NUMBER),
        sa.Column("resolved_at", NUMBER),
    )
    op.create_index("interrupts_by_run", "interrupts", ["run_key", "n"])
    op.create_index("interrupts_by_status", "interrupts", ["status", "n"])


def _workflows() -> None:
    op.create_table(
        "workflows",
        _needed("id", sa.Text),
        _needed("version", NUMBER),
        _needed("source", sa.Text),
        sa.Column("name", sa.Text),
        _needed("tags", sa.Text),
        _needed("created_at", NUMBER),
        _needed("updated_at", NUMBER),
        _needed("document", sa.Text),
        sa.PrimaryKeyConstraint("id", "version"),
    )
    op.create_table(
        "workflow_heads",
        _needed("id", sa.Text, primary_key=True),
        _needed("version", NUMBER),
        _needed("status", sa.Text),
        _needed("updated_at", NUMBER),
    )
    op.create_index("workflow_heads_by_time", "workflow_heads", ["updated_at", "id"])


def _server() -> None:
    op.create_table("server_secret", _needed("value", sa.LargeBinary))


def _workers() -> None:
    op.create_table(
        "workers",
        _needed("id", sa.Text, primary_key=True),
        _needed("protocol", sa.Text),
        sa.Column("url", sa.Text),
        _needed("tags", sa.Text),
        _needed("max_concurrent", NUMBER),
        sa.Column("token", sa.Text),
        sa.Column("secret", sa.Text),
        _needed("headers", sa.Text),
        sa.Column("model", sa.Text),
        sa.Column("health", sa.Text),
        _needed("status", sa.Text),
        _needed("metadata", sa.Text),
        _needed("created_at", NUMBER),
        _needed("updated_at", NUMBER),
    )
