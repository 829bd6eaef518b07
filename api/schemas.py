"""What may be asked: request bodies and query parameters. What is not named here is refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from dispatch._ws_frames import WorkerId
from engine.model import RunStatus

MAX_LIMIT = 1000
MAX_WAIT_S = 300.0
MAX_PRIORITY = 1000
MODES = ("values", "updates", "tasks", "custom", "debug")


def _not_yet(value: Any) -> Any:
    if value is not None:
        raise PydanticCustomError("unsupported", "this is not supported yet by this version")
    return None


NotYet = Annotated[SkipJsonSchema[Any], AfterValidator(_not_yet)]
"""A field that the interface has and this version does not: refused by name, never ignored."""

Document = Annotated[
    Any,
    WithJsonSchema(
        {"type": "object", "title": "Workflow document", "description": "A workflow, as the language says."}
    ),
]
Id = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A name without control characters."""
NodePath = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""A node of a workflow, after those of the graphs that it is inside of."""
SessionId = WorkerId
Object = dict[str, Any]


def moment(text: str) -> str:
    text = text.upper()
    if not _RFC3339.fullmatch(text):
        raise PydanticCustomError("time", "not a time of RFC 3339, such as 2026-01-31T12:00:00Z")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("time", "there is no such date or time") from None
    return text


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


class Asked(BaseModel):
    """A request body: unknown fields and values of the wrong type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Empty(Asked):
    """An object without fields."""


class Drain(Asked):
    """Empties the server, or has it take work again."""

    draining: bool = True


class Backup(Asked):
    """Copies the database into the server's folder of backups."""

    name: str | None = Field(
        default=None,
        max_length=200,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        description="Of the file; made from the time where absent.",
    )


class Duplicate(Asked):
    """Copies a workflow."""

    id: Id | None = Field(default=None, description="Of the copy; `{id}-copy` where absent.")
    name: str | None = Field(default=None, description="Of the copy; the same where absent.")


class Webhook(Asked):
    """Who is told when a run ends. `secret` is never returned."""

    url: str = Field(min_length=1, max_length=4000)
    secret: str | None = Field(
        default=None, min_length=1, max_length=1000, description="Signs what is sent, as Standard Webhooks says."
    )
    events: list[Literal["completed", "failed", "cancelled", "interrupted"]] | None = Field(
        default=None, min_length=1, description="The statuses that are told; all but `interrupted` where absent."
    )


def _as_webhook(given: Any) -> Any:
    return {"url": given} if isinstance(given, str) else given


AskedWebhook = Annotated[Webhook | None, BeforeValidator(_as_webhook, json_schema_input_type=Webhook | str | None)]
"""A webhook, or its URL alone."""


class RunFields(Asked):
    """What a run is started with."""

    input: Object = Field(default_factory=dict, description="Values for the keys of state_schema and input_schema.")
    config: Object = Field(default_factory=dict, description="Laid over the workflow's config.")
    version: int | None = Field(default=None, ge=1, description="The workflow's version; the newest where absent.")
    metadata: Object = Field(default_factory=dict, description="Kept and returned; lists of runs filter by it.")
    tags: list[Id] = Field(default_factory=list)
    interrupt_before: list[NodePath] | None = Field(
        default=None,
        description="Nodes before which the run stops, `part/draft` for one inside; the workflow's where absent.",
    )
    interrupt_after: list[NodePath] | None = Field(
        default=None,
        description="Nodes after which the run stops, `part/draft` for one inside; the workflow's where absent.",
    )
    webhook: AskedWebhook = Field(default=None, description="Who is told when the run ends: an object, or a URL.")
    priority: int = Field(
        default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Higher goes first, of runs and of their tasks."
    )
    concurrency_key: Id | None = Field(
        default=None, description="Of the runs with the same key one runs at a time; the others are queued."
    )
    start_at: Annotated[str, AfterValidator(moment)] | None = Field(
        default=None, description="RFC 3339: the run is queued until then."
    )
    session_id: SessionId | None = Field(
        default=None, description="The session that the run belongs to: it goes on from where that stands."
    )
    on_busy: Literal["reject", "enqueue", "cancel", "interrupt"] | None = Field(
        default=None, description="What is done while another run of the session is not over; `reject` where absent."
    )

    @model_validator(mode="after")
    def _names_a_session(self) -> Self:
        if self.on_busy is not None and self.session_id is None:
            raise PydanticCustomError("on_busy", "'on_busy' goes with 'session_id'")
        return self


class StartRun(RunFields):
    """Starts a run of the workflow in the path."""


class StartAnyRun(RunFields):
    """Starts a run of a stored workflow, or of one that comes along."""

    workflow_id: Id | None = None
    workflow: Document = Field(default=None, description="A workflow document, instead of workflow_id.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.workflow_id is None) == ("workflow" not in self.model_fields_set):
            raise PydanticCustomError("workflow", "give either 'workflow_id' or 'workflow'")
        if self.version is not None and self.workflow_id is None:
            raise PydanticCustomError("workflow", "'version' goes with 'workflow_id'")
        return self


class Resume(Asked):
    """Answers open interrupts. `resume` is the value, or an object of values by interrupt id."""

    resume: Any = None
    updates: Object = Field(default_factory=dict, description="State updates that come before the nodes' commits.")


class ClaimInterrupt(Asked):
    """Says who looks after an interrupt. It binds nobody: everybody who may resume the run still can."""

    assignee: Id = Field(description="A name, as the people who share the inbox understand it.")


class Replay(Asked):
    """Begins a new branch of a run at a checkpoint."""

    checkpoint_id: str
    updates: Object = Field(default_factory=dict, description="State updates, through the reducers.")
    goto: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        default=None, description="A node or a list of nodes to run instead of what was in flight."
    )
    workflow_version: int | None = Field(
        default=None, ge=1, description="Goes on with this version of the workflow; what has no place in it is dropped."
    )
    reuse: Literal["unchanged"] | None = Field(
        default=None, description="`unchanged`: takes over recorded answers to tasks whose input is the same."
    )
    reuse_interrupts: bool = Field(default=False, description="With reuse: takes over the answers of humans too.")

    @model_validator(mode="after")
    def _takes_over_answers(self) -> Self:
        if self.reuse_interrupts and self.reuse is None:
            raise PydanticCustomError("reuse", "reuse_interrupts: goes with reuse")
        return self


class Fork(Replay):
    """Starts a new run from a checkpoint."""

    config: Object = Field(default_factory=dict, description="Laid over the run's config.")
    webhook: AskedWebhook = Field(default=None, description="Who is told when the fork ends; nobody where absent.")


class InjectState(Asked):
    """Writes state into a run: now, or right after the next commit of a node."""

    updates: Object = Field(description="State updates, through the reducers.")
    after_node: Id | None = Field(default=None, description="A node, before whose followers the state is written.")


class Retry(Asked):
    """Starts again what failed."""

    config: Object = Field(
        default_factory=dict, description="Raises max_steps, max_tasks, timeout_ms, stall_timeout_ms or max_cost."
    )


# ---- query parameters


def digits(text: Any) -> Any:
    if isinstance(text, str) and not (text.isascii() and text.isdigit()):
        raise PydanticCustomError("int_parsing", "this is no whole number: write digits only")
    return text


class Paged(BaseModel):
    """A page of a list."""

    limit: Annotated[int, BeforeValidator(digits)] = Field(default=50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, description="`next_cursor` of the page before.")


def _statuses(text: str) -> str:
    known = [status.value for status in RunStatus]
    for name in text.split(","):
        if name not in known:
            raise PydanticCustomError("status", "'{name}' is no status of a run: {known}", _named(name, known))
    return text


def _modes(text: str) -> str:
    for name in text.split(","):
        if name not in MODES:
            raise PydanticCustomError("mode", "'{name}' is no mode: {known}", _named(name, list(MODES)))
    return text


def _named(name: str, known: list[str]) -> dict[str, Any]:
    return {"name": name[:80], "known": ", ".join(known)}


class RunWhere(BaseModel):
    """Which runs are meant: what lists and jobs say in the same way."""

    workflow_id: str | None = None
    tag: str | None = None
    created_after: Annotated[str, AfterValidator(moment)] | None = Field(default=None, description="RFC 3339.")
    created_before: Annotated[str, AfterValidator(moment)] | None = Field(default=None, description="RFC 3339.")
    parent_id: str | None = Field(
        default=None, description="The run that these were forked from, or go on from in its session."
    )
    session_id: str | None = Field(default=None, description="The session that these belong to.")
    q: str | None = Field(default=None, description="Part of a run's or a workflow's id.")


class RunFilters(RunWhere):
    """Which runs are meant."""

    status: Annotated[str, AfterValidator(_statuses)] | None = Field(
        default=None, description="One or more statuses, separated by commas."
    )
    metadata: str | None = Field(default=None, alias="metadata.<k>", description="The text at this key of metadata.")


class RunsQuery(RunFilters, Paged):
    """Which runs a list holds."""


class WorkflowsQuery(Paged):
    """Which workflows a list holds; archived ones only when asked for."""

    q: str | None = Field(default=None, description="Part of an id or a name.")
    tag: str | None = None
    status: Literal["draft", "active", "paused", "archived"] | None = None


class CheckpointsQuery(Paged):
    """Which checkpoints a list holds, and whether with their states."""

    branch: str | None = None
    node: str | None = None
    state: bool = False


class InterruptsQuery(Paged):
    """Which interrupts a list holds."""

    status: Literal["open", "resolved", "cancelled", "expired", "suspended"] | None = None
    run_id: str | None = None
    kind: Literal["node", "worker", "auth", "breakpoint"] | None = None
    assignee: str | None = Field(default=None, description="Those that this person looks after.")
    claimed: bool | None = Field(default=None, description="Those that somebody looks after, or nobody.")


class DeadLettersQuery(Paged):
    """Which dead letters a list holds."""

    status: Literal["open", "redriven"] | None = None
    run_id: str | None = None


Modes = Annotated[str, AfterValidator(_modes)]


class StartQuery(BaseModel):
    """How the answer to a start is given: at once, after a while, or (with `Accept: text/event-stream`) as a stream."""

    wait: float | None = Field(
        default=None,
        ge=0,
        le=MAX_WAIT_S,
        allow_inf_nan=False,
        description="Seconds: answers when the run is terminal or interrupted, or the time is up.",
    )
    mode: Modes = Field(default="updates", description="Modes of the stream, separated by commas.")


class StreamQuery(BaseModel):
    """What a stream tells, and from where on."""

    mode: Modes = Field(
        default="updates", description="One or more of values, updates, tasks, custom, debug, separated by commas."
    )
    after: str | None = Field(default=None, description="An event id: goes on after it. `Last-Event-ID` wins.")
    from_: Literal["now"] | None = Field(default=None, alias="from", description="Leaves out what has happened.")
    until: Literal["interrupted"] | None = Field(default=None, description="Also ends at this status.")


class EventsQuery(RunFilters):
    """What a stream of many runs tells, and from where on. `status` is that of the run at the event."""

    mode: Modes = Field(
        default="updates", description="One or more of values, updates, tasks, custom, debug, separated by commas."
    )
    after: str | None = Field(default=None, description="An event id: goes on after it. `Last-Event-ID` wins.")
    from_: Literal["now"] | None = Field(default=None, alias="from", description="Leaves out what has happened.")
