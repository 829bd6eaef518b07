"""What may be asked of artifacts."""

from __future__ import annotations

from pydantic import BaseModel, Field

from api.schemas import Paged

MAX_TTL_S = 366 * 24 * 3600


class TaskQuery(BaseModel):
    """The task whose token is given, instead of the server's own."""

    task_id: str | None = Field(default=None, description="The task whose token is given.")
    token: str | None = Field(default=None, description="The token of that task, as in its `reply_to`.")


class KeepQuery(TaskQuery):
    """For how long an artifact stays that no run refers to."""

    ttl: int | None = Field(default=None, ge=1, le=MAX_TTL_S, description="Seconds from now; a lease is never cut.")


class ArtifactsQuery(Paged):
    """A page of the artifacts, of all or of those that a run refers to."""

    run_id: str | None = None
