"""The tables of artifacts: what is known of each, the bytes of the small ones, and which runs refer to them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, PrimaryKeyConstraint, Table, Text

from store._tables import metadata

artifacts = Table(
    "artifacts",
    metadata,
    Column("n", Integer, primary_key=True),  # the order in which they came
    Column("sha256", Text, nullable=False, unique=True),
    Column("size", Integer, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    Column("held_until", Integer, nullable=False),
)

# The bytes of those that are small; those of the others are files.
artifact_contents = Table(
    "artifact_contents",
    metadata,
    Column("sha256", Text, primary_key=True, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# Written with the commits; one that names an artifact which is not there does no harm.
artifact_refs = Table(
    "artifact_refs",
    metadata,
    Column("run_key", Integer, ForeignKey("runs.key"), nullable=False),
    Column("sha256", Text, nullable=False),
    PrimaryKeyConstraint("run_key", "sha256"),
)
Index("artifact_refs_by_name", artifact_refs.c.sha256)
