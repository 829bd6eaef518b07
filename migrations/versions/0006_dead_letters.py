"""Tasks that have failed for good."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("task_id", sa.Text, nullable=False),
        sa.Column("index", sa.Integer),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("redriven_at", sa.Integer),
    )
    op.create_index("dead_letters_by_status", "dead_letters", ["status", "n"])
    op.create_index("dead_letters_by_run", "dead_letters", ["run_key"])


def downgrade() -> None:
    op.drop_table("dead_letters")
