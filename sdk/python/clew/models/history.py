"""The history of runs: checkpoints, and what two of them differ in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from clew.models._base import Json, Model
from clew.models.common import ErrorObject, Usage
from clew.models.interrupts import Interrupt


class Checkpoint(Model):
    """One commit of a run. `state` is there where it was asked for."""

    id: str
    run_id: str
    branch: str
    seq: int
    parent_id: str | None = None
    kind: str
    ns: list[str] = []
    node: str | None = None
    task_id: str | None = None
    address: str | None = None
    index: int | None = None
    rounds: list[int] = []
    level: int | None = None
    causes: list[str] = []
    writes: Json = {}
    chosen: list[str] | None = None
    error: ErrorObject | None = None
    status: str
    actor: str | None = None
    next: list[str] = []
    interrupts: list[Interrupt] = []
    workflow_version: int
    dropped: list[str] = []
    usage: Usage = Usage()
    reused: bool = False
    cached: bool = False
    created_at: datetime
    state: Json | None = None


class PendingInjection(Model):
    """State that is written right after the next commit of a node."""

    id: str
    after_node: str
    updates: Json


class Injected(Model):
    """The checkpoint of an edit, or the edit that waits for a node: one of the two is None."""

    checkpoint: Checkpoint | None = None
    pending: PendingInjection | None = None


class Operation(Model):
    """One operation of a JSON Patch (RFC 6902)."""

    op: str
    path: str
    value: Any = None


class Side(Model):
    """A task as one of two lines has it; `checkpoint_id` is the commit that ended it."""

    id: str
    checkpoint_id: str
    status: str
    worker_id: str | None = None
    attempt: int
    input_hash: str | None = None
    output: Any = None
    chosen: list[str] | None = None
    error: ErrorObject | None = None
    usage: Usage = Usage()


class TaskPair(Model):
    """A task by its address, on two lines. What is None in `same_…` is not known."""

    address: str
    node: str
    index: int | None = None
    change: str
    same_input: bool | None = None
    same_output: bool | None = None


class TaskChange(TaskPair):
    """A task that differs between two checkpoints."""

    from_: Side | None = Field(default=None, alias="from")
    to: Side | None = None


class Diff(Model):
    """What changes from one checkpoint to another: `patch` makes the state at `to` of the one at `from_`."""

    from_: str = Field(alias="from")
    to: str
    patch: list[Operation]
    tasks: list[TaskChange]
    next_cursor: str | None = None


class ComparedTask(TaskPair):
    """A task on either line."""

    a: Side | None = None
    b: Side | None = None


class ComparedEnd(Model):
    """What is compared."""

    run_id: str
    checkpoint_id: str
    workflow_id: str
    workflow_version: int


class FirstCommit(Model):
    """The first commit that only one line has."""

    checkpoint_id: str
    kind: str
    node: str | None = None


class Divergence(Model):
    """Where two lines part; `address` is that of the first task, by level, that differs."""

    a: FirstCommit | None = None
    b: FirstCommit | None = None
    address: str | None = None


class UsageDelta(Model):
    """What each line used since the common ancestor, and how much more `b` did."""

    a: Usage
    b: Usage
    delta: Usage


class Comparison(Model):
    """Two runs or checkpoints side by side: `patch` makes the state of `b` of the state of `a`."""

    a: ComparedEnd
    b: ComparedEnd
    common_ancestor: str | None = None
    first_divergence: Divergence | None = None
    tasks: list[ComparedTask]
    next_cursor: str | None = None
    patch: list[Operation]
    usage: UsageDelta


class Blamed(Model):
    """A commit that wrote a place in the state; `value` is what it wrote there."""

    checkpoint_id: str
    run_id: str
    kind: str
    node: str | None = None
    address: str | None = None
    task_id: str | None = None
    worker_id: str | None = None
    actor: str
    at: datetime
    effect: str
    removed: bool = False
    value: Any = None


class Blame(Model):
    """Who wrote a place in the state, the last one first, and what stands there."""

    run_id: str
    checkpoint_id: str
    path: str
    exists: bool
    value: Any = None
    items: list[Blamed]
    next_cursor: str | None = None
