"""Sessions, and the places of runs in them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "seats",
        sa.Column(
            "run_key", sa.Integer, sa.ForeignKey("runs.key"), primary_key=True, autoincrement=False, nullable=False
        ),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer),
        sa.Column("waits", sa.Text),
    )
    began, waits = sa.text("place IS NOT NULL"), sa.text("waits IS NOT NULL")
    op.create_index("seats_by_time", "seats", ["session_id", "created_at", "run_key"])
    op.create_index("seats_by_place", "seats", ["session_id", "place"], unique=True, sqlite_where=began)
    op.create_index("seats_by_workflow", "seats", ["session_id", "workflow_id", "place"], sqlite_where=began)
    op.create_index("seats_that_wait", "seats", ["session_id", sa.text("waits DESC"), "run_key"], sqlite_where=waits)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("updated_at", sa.Integer, nullable=False),
    )
    op.create_index("sessions_by_time", "sessions", ["updated_at", "id"])


def downgrade() -> None:
    op.drop_table("sessions")
    op.drop_table("seats")
