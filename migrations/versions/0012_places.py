"""The places of runs among others: priority, concurrency key, time of the start, and why those wait that are queued."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "places",
        sa.Column(
            "run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False
        ),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("concurrency_key", sa.Text),
        sa.Column("start_at", sa.Integer),
        sa.Column("reason", sa.Text),
    )


def downgrade() -> None:
    op.drop_table("places")
