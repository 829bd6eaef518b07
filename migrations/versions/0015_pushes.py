"""Who is told outside of everything that a run comes to."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "pushes",
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("form", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("token", sa.Text),
        sa.Column("scheme", sa.Text),
        sa.Column("credentials", sa.Text),
        sa.PrimaryKeyConstraint("run_key", "id"),
    )
    op.add_column("notices", sa.Column("push", sa.Text, nullable=False, server_default=""))
    op.add_column("notices", sa.Column("media_type", sa.Text, nullable=False, server_default="application/json"))


def downgrade() -> None:
    op.drop_column("notices", "media_type")
    op.drop_column("notices", "push")
    op.drop_table("pushes")
