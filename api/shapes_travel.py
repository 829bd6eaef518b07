"""What is answered about the history of runs, as the API's description shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.shapes import ErrorObject, Shape, Usage
from engine.model import Kind, RunStatus, TaskStatus


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
    next_cursor: str | None = Field(description="Of the next page of tasks; null after the last one.")


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
    next_cursor: str | None = Field(description="Of the next page of tasks; null after the last one.")
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


class TracedEdge(Shape):
    """An edge of the workflow."""

    index: int = Field(description="Its place in the document, from 0.")
    from_: str = Field(alias="from", description="A node, with a handle behind a colon where it has one.")
    to: str


class ArrivedEdge(TracedEdge):
    """An edge over which something came to a join."""

    checkpoint_id: str | None
    at: datetime | None


class Join(Shape):
    """What came to a node that several edges lead to."""

    mode: str = Field(description="The node's `join`.")
    needed: int | None = Field(description="How many edges are enough; null where it waits for all that can come.")
    arrived: list[ArrivedEdge]
    missing: list[TracedEdge] = Field(description="The edges over which nothing came.")


class TracedJoin(Join):
    """A join that has activated its node."""

    waited_ms: int = Field(description="From the first arrival to the activation.")


class OpenJoin(Join):
    """A join that still waits."""

    node: str
    ns: list[str] = Field(description="The subgraph nodes around it, outermost first.")
    rounds: list[int]


class TracedCause(Shape):
    """A commit that activated a task."""

    checkpoint_id: str
    kind: Kind
    task_id: str | None
    address: str | None
    at: datetime


class TracedWait(Shape):
    """A time in which a task waited."""

    reason: str = Field(description="`no_worker`, `capacity`, `unreachable`, `timer`, `imported`.")
    from_: datetime = Field(alias="from")
    until: datetime | None = Field(description="null where it still waits.")


class TracedAttempt(Shape):
    """A request to a worker."""

    attempt: int
    worker_id: str
    started_at: datetime
    accepted_at: datetime | None
    finished_at: datetime | None
    outcome: str | None = Field(description="`failed` before another attempt, else the status of the task.")
    error: ErrorObject | None


class TracedInterrupt(Shape):
    """A question that a task has asked, or a breakpoint that held it."""

    id: str
    kind: Literal["node", "worker", "auth", "breakpoint"]
    status: str
    asked_at: datetime
    ended_at: datetime | None
    assignee: str | None


class TracedTask(Shape):
    """A task in time."""

    id: str
    node: str
    ns: list[str] = Field(description="The subgraph nodes around it, outermost first.")
    index: int | None
    address: str
    rounds: list[int]
    level: int = Field(description="One more than the highest level of its causes.")
    send_id: str | None = Field(description="The task of the send whose item it is.")
    status: TaskStatus
    attempt: int
    worker_id: str | None
    reused: bool
    cached: bool
    error: ErrorObject | None
    created_at: datetime = Field(description="When it was activated.")
    started_at: datetime | None
    finished_at: datetime | None
    checkpoint_id: str | None = Field(description="The commit that ended it; null while it is open.")
    causes: list[TracedCause]
    edges: list[TracedEdge] = Field(description="The edges over which it was activated.")
    join: TracedJoin | None = Field(description="null where one edge alone leads to the node.")
    waits: list[TracedWait]
    attempts: list[TracedAttempt]
    interrupts: list[TracedInterrupt]


class Trace(Shape):
    """How a run went."""

    run_id: str
    workflow_id: str
    status: RunStatus
    branch: str
    created_at: datetime
    finished_at: datetime | None
    items: list[TracedTask] = Field(description="By their ends, then those that are open.")
    joins: list[OpenJoin] = Field(description="Those that still wait; with the last page only.")
    next_cursor: str | None = Field(description="Of the next page; null after the last one.")


class VersionDiff(Shape):
    """What changes in a workflow's document."""

    from_: int = Field(alias="from")
    to: int
    patch: list[Operation]
