"""Replays, checkouts and retries of a run are found without reading its other commits."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_index(
        "commits_that_turn",
        "commits",
        ["run_key", "seq"],
        sqlite_where=sa.text("kind IN ('checkout', 'replay', 'retry')"),
    )


def downgrade() -> None:
    op.drop_index("commits_that_turn", "commits")
