"""What had a run start. Those that are there already were started by whoever their first commit names."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

STARTED = """
UPDATE run_inputs SET "trigger" = (
  SELECT actor FROM commits
  WHERE commits.run_key = run_inputs.run_key AND kind IN ('start', 'fork') ORDER BY seq LIMIT 1
)
"""
NOT_TOLD = """UPDATE run_inputs SET "trigger" = NULL WHERE "trigger" IN ('api', 'engine')"""


def upgrade() -> None:
    op.add_column("run_inputs", sa.Column("trigger", sa.Text))
    op.execute(STARTED)
    op.execute(NOT_TOLD)


def downgrade() -> None:
    op.drop_column("run_inputs", "trigger")
