"""Answers that are kept over runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "kept_answers",
        sa.Column("key", sa.Text, primary_key=True, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("expires_at", sa.Integer, nullable=False),
    )
    op.create_index("kept_answers_by_time", "kept_answers", ["expires_at"])


def downgrade() -> None:
    op.drop_table("kept_answers")
