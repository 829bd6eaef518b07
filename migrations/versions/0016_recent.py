"""Indexes by the end of runs, for lists of those that changed last."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    ended = sa.text("finished_at IS NOT NULL")
    op.create_index("runs_by_end", "runs", ["status", "finished_at", "key"], sqlite_where=ended)
    op.create_index("runs_by_workflow_end", "runs", ["workflow_id", "status", "finished_at", "key"], sqlite_where=ended)


def downgrade() -> None:
    op.drop_index("runs_by_workflow_end", "runs")
    op.drop_index("runs_by_end", "runs")
