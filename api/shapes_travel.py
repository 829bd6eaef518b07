"""What is answered about the history of runs, as the API's description shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.shapes import ErrorObject, Shape, Usage
from engine.model import TaskStatus


class Operation(Shape):
    """One operation of a JSON Patch (RFC 6902)."""

    op: Literal["add", "remove", "replace"]
    path: str = Field(description="A JSON Pointer (RFC 6901).")
    value: Any = Field(default=None, description="Not given for `remove`.")


class Side(Shape):
    """A task as one of the lines has it."""

    id: str
    checkpoint_id: str = Field(description="The commit that ended it.")
    status: TaskStatus
    worker_id: str | None
    attempt: int
    input_hash: str | None = Field(description="null for nodes that ask nobody.")
    output: Any
    chosen: list[str] | None
    error: ErrorObject | None
    usage: Usage


class TaskPair(Shape):
    """A task by its address, on two lines."""

    address: str
    node: str
    index: int | None
    change: Literal["same", "changed", "added", "removed"]
    same_input: bool | None = Field(description="null where it is not known.")
    same_output: bool | None


class TaskChange(TaskPair):
    """A task that differs between two checkpoints."""

    from_: Side | None = Field(alias="from")
    to: Side | None


class Diff(Shape):
    """What changes from one checkpoint to another."""

    from_: str = Field(alias="from")
    to: str
    patch: list[Operation] = Field(description="Makes the state shown at `to` of the one shown at `from`.")
    tasks: list[TaskChange] = Field(description="Ended tasks that only one has, or that took or gave something else.")
