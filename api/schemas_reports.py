"""What workers say of their tasks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from api.schemas import Asked


class Chunk(Asked):
    """A piece of text of one of a worker's channels."""

    channel: str = Field(max_length=200)
    text: str


class ReportFields(Asked):
    """What a worker reports of its task."""

    stage: str | None = Field(default=None, max_length=1000)
    progress: float | None = Field(
        default=None, ge=0, le=1, allow_inf_nan=False, description="How far it is, from 0 to 1."
    )
    message: str | None = None
    chunks: list[Chunk] | None = None
    data: Any = None


class Reported(ReportFields):
    """One report, or several at once."""

    events: list[ReportFields] | None = Field(default=None, max_length=1000)

    def reports(self) -> list[dict[str, Any]]:
        """All of them, in order, with the fields that were given."""
        own = self.model_dump(exclude={"events"}, exclude_none=True)
        more = (event.model_dump(exclude_none=True) for event in self.events or ())
        return [found for found in (own, *more) if found]


class ResultQuery(BaseModel):
    """The token of the task that is answered."""

    token: str | None = None
