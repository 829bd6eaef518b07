"""The breakpoints that a run has of its own."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
COLUMNS = "run_key, tags, metadata, config, input"


def upgrade() -> None:
    _make_anew(sa.Column("stops", sa.Text))


def downgrade() -> None:
    _make_anew()


def _make_anew(*more: sa.Column) -> None:
    """SQLite adds a column behind the constraints: the table is written as a new database has it."""
    op.rename_table("run_inputs", "run_inputs_before")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    key = sa.ForeignKey("runs.key")
    op.create_table(
        "run_inputs",
        sa.Column("run_key", number, key, primary_key=True, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("tags", "metadata", "config", "input")),
        *more,
    )
    op.execute(f"INSERT INTO run_inputs ({COLUMNS}) SELECT {COLUMNS} FROM run_inputs_before")
    op.drop_table("run_inputs_before")
