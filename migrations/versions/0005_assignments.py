"""Who is looking after an interrupt."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("interrupt_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.Integer, nullable=False),
    )
    op.create_index("assignments_by_run", "assignments", ["run_key"])


def downgrade() -> None:
    op.drop_table("assignments")
