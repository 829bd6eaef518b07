"""What is answered about the history of runs, as the API's description shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from api.shapes import ErrorObject, Shape, Usage
from engine.model import Kind, TaskStatus


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
    same_input: bool | None = Field(description="null where it is not known.")
    same_output: bool | None


class TaskChange(TaskPair):
    """A task that differs between two checkpoints."""

    change: Literal["changed", "added", "removed"]
    from_: Side | None = Field(alias="from")
    to: Side | None


class Diff(Shape):
    """What changes from one checkpoint to another."""

    from_: str = Field(alias="from")
    to: str
    patch: list[Operation] = Field(description="Makes the state shown at `to` of the one shown at `from`.")
    tasks: list[TaskChange] = Field(description="Ended tasks that only one has, or that took or gave something else.")


class ComparedTask(TaskPair):
    """A task on either line."""

    change: Literal["same", "changed", "only_a", "only_b"]
    a: Side | None
    b: Side | None


class ComparedEnd(Shape):
    """What is compared."""

    run_id: str
    checkpoint_id: str
    workflow_id: str
    workflow_version: int


class FirstCommit(Shape):
    """The first commit that only one line has."""

    checkpoint_id: str
    kind: Kind
    node: str | None


class Divergence(Shape):
    """Where two lines part."""

    a: FirstCommit | None
    b: FirstCommit | None
    address: str | None = Field(description="The first task, by level, that differs.")


class UsageDelta(Shape):
    """What each line used since the common ancestor, and how much more `b` did."""

    a: Usage
    b: Usage
    delta: Usage


class Comparison(Shape):
    """Two runs or checkpoints side by side."""

    a: ComparedEnd
    b: ComparedEnd
    common_ancestor: str | None = Field(description="The last checkpoint that both come from.")
    first_divergence: Divergence | None = Field(description="null where both are one checkpoint.")
    tasks: list[ComparedTask] = Field(description="What has ended since the common ancestor, by address.")
    patch: list[Operation] = Field(description="Makes the state of `b` of the state of `a`.")
    usage: UsageDelta


class Blamed(Shape):
    """A commit that wrote a place in the state."""

    checkpoint_id: str = Field(description="Of this run, or of one that it was forked from.")
    run_id: str
    kind: Kind
    node: str | None
    address: str | None
    task_id: str | None
    worker_id: str | None
    actor: str = Field(description="Who caused the commit: the engine, or who edited or resumed.")
    at: str
    effect: Literal["replaces", "adds"] = Field(description="`adds`: what was there before is still a part of it.")
    removed: bool = Field(description="Whether it took away what was there.")
    value: Any = Field(description="What it wrote at the place; null where it took it away.")


class Blame(Shape):
    """Who wrote a place in the state, and what stands there."""

    run_id: str
    checkpoint_id: str
    path: str
    exists: bool = Field(description="Whether there is anything at the place.")
    value: Any = Field(description="What stands there at the checkpoint.")
    items: list[Blamed] = Field(description="The last one first.")
    next_cursor: str | None = Field(description="Of the next page; null after the last one.")


class VersionDiff(Shape):
    """What changes in a workflow's document."""

    from_: int = Field(alias="from")
    to: int
    patch: list[Operation]
