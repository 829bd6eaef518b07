"""Runs that came in from a file, and do nothing by themselves until they are released."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column(
            "run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False
        ),
        sa.Column("why", sa.Text, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("holds")
