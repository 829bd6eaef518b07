"""What is answered, as the API's description shows it. Nothing is validated against these models on its way out."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.shapes_artifacts import RunArtifacts
from engine.holds import Hold
from engine.model import Kind, RunStatus, TaskStatus

T = TypeVar("T")


class Shape(BaseModel):
    """An object of an answer; more fields may be added to it."""

    model_config = ConfigDict(extra="allow")


class PageOf(Shape, Generic[T]):
    """A page of a list."""

    items: list[T]
    next_cursor: str | None = Field(description="Of the next page; null after the last one.")


class Fault(Shape):
    """One place that is wrong."""

    path: str = Field(description="A JSON Pointer.")
    in_: Literal["body", "query", "path", "header"] | None = Field(
        default=None, alias="in", description="The part of the request that `path` is a place in."
    )
    message: str
    code: str | None = None
    severity: Literal["error", "warning"] | None = None
    line: int | None = Field(default=None, description="In a file that was sent, from 1.")
    node: str | None = None
    hint: str | None = None


class ImportNote(Shape):
    """What became of one place of a document of another system."""

    severity: Literal["info", "warning", "error"]
    part: str = Field(description="What stands there, as the documentation calls it.")
    path: str = Field(description="A JSON Pointer into the document that was sent.")
    message: str
    hint: str | None


class ImportCounts(Shape):
    """How many notes there are; of many of one kind the first are told."""

    mapped: int
    approximated: int
    unmapped: int


class ImportReport(Shape):
    """What became of a document of another system, and what is wrong with the result."""

    format: str
    valid: bool = Field(description="Whether everything could be read, and the result has no errors.")
    counts: ImportCounts
    mapped: list[ImportNote] = Field(description="Taken over as it is meant.")
    approximated: list[ImportNote] = Field(description="Taken over, not quite as it was.")
    unmapped: list[ImportNote] = Field(description="Without a counterpart.")
    errors: list[Fault]
    warnings: list[Fault]


class Problem(Shape):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable: programs decide by it.")
    detail: str
    errors: list[Fault]
    report: ImportReport | None = Field(default=None, description="Of an import that is not saved.")


class ErrorObject(Shape):
    """Why a task or a run has failed."""

    code: str
    message: str
    node: str | None
    task_id: str | None
    attempt: int | None
    retryable: bool | None
    details: Any


class Usage(Shape):
    """What was used, summed."""

    input_tokens: int
    output_tokens: int
    cost: float


class FileFault(Shape):
    """What is wrong with a workflow file."""

    file: str = Field(description="Relative to the folder; empty: the folder itself.")
    workflow_id: str | None
    message: str
    problems: list[Fault]


class Folder(Shape):
    """The folder of workflow files."""

    folder: str
    faults: list[FileFault] = Field(description="Of files that are not in use; the last good versions stay.")


class Workflow(Shape):
    """One version of a workflow."""

    id: str
    version: int
    name: str | None
    status: Literal["draft", "active", "paused", "archived"]
    source: Literal["api", "file"]
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    definition: dict[str, Any]
    file: str | None = Field(description="The file that owns this workflow: it is changed there, not here.")
    fault: FileFault | None = Field(description="What is wrong with that file as it is now.")


class Report(Shape):
    """What is wrong with a document, and how it looks."""

    valid: bool
    errors: list[Fault]
    warnings: list[Fault]
    mermaid: str | None = Field(description="null where the document is not valid.")


class NodeType(Shape):
    """A type of node."""

    type: str
    description: str
    json_schema: dict[str, Any] = Field(alias="schema", description="JSON Schema of a node of this type.")


class Interrupt(Shape):
    """A question to a human or a program."""

    id: str
    run_id: str
    task_id: str
    node: str
    kind: Literal["node", "worker", "auth", "breakpoint"]
    message: str
    json_schema: Any = Field(alias="schema")
    actions: Any
    status: str
    created_at: datetime | None = None
    expires_at: datetime | None
    assignee: str | None = Field(default=None, description="Who looks after it.")
    claimed_at: datetime | None = None
    resolved_at: datetime | None = None
    age_ms: int | None = Field(default=None, description="How long it has waited, or had by its end.")
    state: dict[str, Any] | None = Field(
        default=None, description="What its task sees, as much as fits into 2 KiB; of open ones in the inbox only."
    )
    state_cut: list[str] | None = Field(default=None, description="Keys that were shortened or left out, 20 at most.")


class Wants(Shape):
    """What a worker has to have: all of the tags, and where they are given the id and the protocol."""

    tags: list[str]
    worker: str | None
    protocol: str | None


class Task(Shape):
    """One activation of a node."""

    id: str
    node: str
    ns: list[str]
    index: int | None
    address: str
    status: TaskStatus
    reason: str | None
    wants: Wants | None = Field(default=None, description="Of a task that waits: what its worker has to have.")
    attempt: int
    worker_id: str | None
    input: Any = Field(default=None, description="Where tasks are listed, and of one task.")
    output: Any
    answer: Any = Field(
        default=None, description="Of an ended task what its worker answered, of one task that asks what it asked."
    )
    chosen: list[str] | None = Field(default=None, description="Of an ended task: the handles or nodes it went on to.")
    error: ErrorObject | None
    usage: Usage | None
    dispatch_id: str | None = Field(description="Of the attempt that is under way.")
    pending_ack: bool = Field(description="Whether the worker has neither accepted nor answered yet.")
    ack_deadline: datetime | None = Field(
        description="By when that attempt has to be accepted, and once it was, by when it has to be answered."
    )
    next_attempt_at: datetime | None
    progress: dict[str, Any] | None = Field(
        description="What the worker of an open task reported last; of a send or a subgraph, how much of it is done."
    )
    heard_at: datetime | None = Field(description="When it reported last, or sent a heartbeat.")
    cached: bool
    reused: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ForkedFrom(Shape):
    """Where a fork comes from."""

    run_id: str
    checkpoint_id: str | None


class RunSummary(Shape):
    """A run as lists show it."""

    id: str
    workflow_id: str
    workflow_version: int
    status: RunStatus
    error: ErrorObject | None
    usage: Usage
    metadata: dict[str, Any]
    tags: list[str]
    parent_id: str | None = Field(description="The run that it was forked from, or goes on from in its session.")
    session_id: str | None
    forked_from: ForkedFrom | None
    checkpoint_count: int
    latest_checkpoint_id: str | None = Field(description="null where the run has not begun.")
    branch: str
    trigger: str = Field(description="What had it start, or forked it: `api`, or `a2a` where an agent asked for it.")
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    hold: Hold | None = Field(
        description="`imported`: it came in from a file and does nothing before it is released. `ancestor`: no more "
        "than the beginning of a run is here, which its forks read; no list holds it."
    )
    priority: int = Field(description="Higher goes first.")
    concurrency_key: str | None = Field(description="One run with this key runs at a time.")
    start_at: datetime | None = Field(description="It does not begin before.")
    reason: str | None = Field(description="Why it is queued.")


class RunWebhook(Shape):
    """Who is told of a run, and what became of the last notice."""

    url: str
    events: list[RunStatus]
    notice_id: str | None = Field(description="null until there was something to tell.")
    status: Literal["pending", "delivered", "failed", "withdrawn"] | None
    attempts: int
    last_error: str | None
    next_at: datetime | None


class Run(RunSummary):
    """A run with its state, its open tasks and the last 100 others."""

    input: dict[str, Any]
    config: dict[str, Any]
    state: dict[str, Any]
    output: Any
    interrupts: list[Interrupt]
    tasks: list[Task]
    branches: list[dict[str, Any]]
    webhook: RunWebhook | None
    artifacts: RunArtifacts


class BegunRun(Run):
    """A run on the line that a fork or replay has begun."""

    dropped: list[str] = Field(
        description="The addresses of what was left to run and has no place in the version that it went on with."
    )


class PendingInjection(Shape):
    """State that is written right after the next commit of a node."""

    id: str
    after_node: str
    updates: dict[str, Any]


class Injected(Shape):
    """The checkpoint of an edit, or the edit that waits for a node: one of the two is null."""

    checkpoint: Checkpoint | None
    pending: PendingInjection | None


class Checkpoint(Shape):
    """One commit of a run."""

    id: str
    run_id: str
    branch: str
    seq: int
    parent_id: str | None
    kind: Kind
    ns: list[str] = Field(description="The subgraph nodes that it is inside of, the outermost first.")
    node: str | None
    task_id: str | None
    address: str | None
    index: int | None
    rounds: list[int] = Field(description="Of the loops around the node, the outermost first; from 0.")
    level: int | None = Field(description="1 more than the highest among its causes; null for edits and the like.")
    causes: list[str]
    writes: dict[str, Any]
    chosen: list[str] | None
    error: ErrorObject | None
    status: RunStatus = Field(description="Of the run, from this commit on.")
    actor: str = Field(description="Who caused the commit: the engine, or who edited or resumed.")
    next: list[str]
    interrupts: list[Interrupt]
    workflow_version: int
    dropped: list[str] = Field(description="What had no place in the version that this commit changed to.")
    usage: Usage
    reused: bool = Field(description="Whether its task took over an answer from another line.")
    cached: bool = Field(description="Whether its task took an answer that was kept from another run.")
    created_at: datetime
    state: dict[str, Any] | None = Field(default=None, description="In a list with state=true only.")


class TaskRecord(Task):
    """A task with what its worker was asked, how its attempts went, and what was reported meanwhile."""

    input: Any
    attempts: list[dict[str, Any]]
    log: list[dict[str, Any]] = Field(description="The last 1000 lines, oldest first.")
    workers: dict[str, str] = Field(description="Of a task that waits: why each worker cannot take it, by their ids.")


class RateLimit(Shape):
    """What a worker last said of its own rate limit."""

    worker_id: str
    remaining: int | None
    limit: int | None
    reset_ms: int | None
    reported_at: datetime
    resets_at: datetime | None


class Heard(Shape):
    """The answer to a worker that reports."""

    accepted: bool
    wanted: bool = Field(description="False when nobody waits for the answer any more.")
    attempt: int | None
    deadline: datetime | None


class Accepted(Shape):
    """The answer to a worker whose result counts."""

    accepted: Literal[True]
