"""Idempotency keys, with what was made for them and the first answer."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("made", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("scope", "key"),
    )
    op.create_index("claims_by_time", "claims", ["at"])


def downgrade() -> None:
    op.drop_table("claims")
