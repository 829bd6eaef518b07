"""Who is told outside how a run ends, and what they are told."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "hooks",
        sa.Column("run_key", number, sa.ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text),
        sa.Column("events", sa.Text, nullable=False),
    )
    op.create_table(
        "notices",
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Integer),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("ended_at", sa.Integer),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("notices_by_status", "notices", ["status", "n"])
    op.create_index("notices_by_run", "notices", ["run_key", "n"])


def downgrade() -> None:
    op.drop_table("notices")
    op.drop_table("hooks")
