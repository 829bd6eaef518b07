"""Artifacts: bytes that are too many to stand in a state."""

from __future__ import annotations

from datetime import datetime

from clew.models._base import Model


class Reference(Model):
    """What stands in a state for an artifact. `size` is in bytes."""

    ref: str
    media_type: str
    size: int
    sha256: str


class RunArtifacts(Model):
    """What a run refers to: how many artifacts, of how many bytes, and the newest 100 of them."""

    count: int = 0
    size: int = 0
    items: list[Reference] = []


class Artifact(Reference):
    """An artifact, and when it came; it goes after `expires_at` unless a run refers to it."""

    created_at: datetime
    expires_at: datetime
