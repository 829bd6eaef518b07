"""What may be asked about the history of runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from api.schemas import MAX_LIMIT, Paged, digits


class TaskPage(BaseModel):
    """A page of the tasks that differ, or that are compared."""

    limit: Annotated[int, BeforeValidator(digits)] = Field(default=1000, ge=1, le=MAX_LIMIT, description="Of tasks.")
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


class DiffQuery(TaskPage):
    """Two checkpoints, by their ids."""

    from_: str = Field(alias="from", description="The id of a checkpoint.")
    to: str = Field(description="The id of a checkpoint, of the same run or of another.")


class CompareQuery(TaskPage):
    """Two runs, or two checkpoints, by their ids; a run stands for its newest checkpoint."""

    a: str = Field(description="The id of a run or of a checkpoint.")
    b: str = Field(description="The id of a run or of a checkpoint.")


class TraceQuery(Paged):
    """A page of a run's tasks."""

    branch: str | None = Field(default=None, description="A branch of the run; the current one where it is left out.")


class ImportQuery(BaseModel):
    """What is to be done with the run that comes in."""

    start: bool = Field(default=False, description="Releases it at once, where it has not ended.")


class BlameQuery(Paged):
    """A place in the state of a run."""

    path: str = Field(description="A path into the state: `notes`, `report.lines[3].text`.")
    checkpoint: str | None = Field(default=None, description="The id of a checkpoint; the newest where it is left out.")
