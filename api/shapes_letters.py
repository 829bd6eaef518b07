"""Dead letters as the API's description shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from api.shapes import ErrorObject, Shape


class DeadLetter(Shape):
    """A task that has failed for good."""

    id: str = Field(description="The checkpoint of the failure.")
    run_id: str
    workflow_id: str
    node: str
    task_id: str
    index: int | None
    attempt: int
    worker_id: str | None
    error: ErrorObject
    status: Literal["open", "redriven"]
    created_at: datetime
    redriven_at: datetime | None
