"""What is answered about artifacts."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class Reference(BaseModel):
    """What stands in a state for an artifact."""

    model_config = ConfigDict(extra="allow")

    ref: str
    media_type: str
    size: int
    sha256: str


class Artifact(Reference):
    """An artifact: the reference to it, and when it came and goes."""

    created_at: datetime
    expires_at: datetime = Field(description="After this it goes, unless a run refers to it.")


class RunArtifacts(BaseModel):
    """What the commits of a run refer to: how many artifacts, of how many bytes, and the newest 100 of them."""

    model_config = ConfigDict(extra="allow")

    count: int
    size: int
    items: list[Reference]
