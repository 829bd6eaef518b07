"""What may be asked about the history of runs."""

from __future__ import annotations

from pydantic import BaseModel, Field


class DiffQuery(BaseModel):
    """Two checkpoints, by their ids."""

    from_: str = Field(alias="from", description="The id of a checkpoint.")
    to: str = Field(description="The id of a checkpoint, of the same run or of another.")
