"""Notices as the API's description shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.shapes import Shape


class Notice(Shape):
    """That a run has come to a status, as its webhook is told or a push of its task."""

    id: str = Field(description="What is sent as `webhook-id`.")
    run_id: str
    workflow_id: str
    type: str = Field(description="`run.` and the status that is told, or `run.output` for an artifact.")
    push_id: str | None = Field(description="The push config that it is for; null for the webhook of the run.")
    url: str
    status: Literal["pending", "delivered", "failed", "withdrawn"]
    attempts: int
    last_error: str | None
    next_at: datetime | None = Field(description="When it is tried next.")
    created_at: datetime
    ended_at: datetime | None
