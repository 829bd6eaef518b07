"""What is written to see whether a disk that was full has room again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "probes",
        sa.Column("n", sa.Integer, primary_key=True, nullable=False),
        sa.Column("room", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("probes")
