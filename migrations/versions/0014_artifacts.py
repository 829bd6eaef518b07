"""Artifacts, and which runs refer to them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.Text, nullable=False, unique=True),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Integer, nullable=False),
        sa.Column("held_until", sa.Integer, nullable=False),
    )
    op.create_table(
        "artifact_contents",
        sa.Column("sha256", sa.Text, primary_key=True, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "artifact_refs",
        sa.Column("run_key", sa.Integer, sa.ForeignKey("runs.key"), nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_key", "sha256"),
    )
    op.create_index("artifact_refs_by_name", "artifact_refs", ["sha256"])


def downgrade() -> None:
    op.drop_table("artifact_refs")
    op.drop_table("artifact_contents")
    op.drop_table("artifacts")
