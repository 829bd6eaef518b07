"""The events of streams: one class for each name, told apart by `event` or by `isinstance`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from clew.models._base import Json, Model
from clew.models.common import ErrorObject


class Moment(Model):
    """When and where something happened: the run's step `seq`, and the subgraph nodes around it, outermost first."""

    seq: int | None = None
    at: datetime | None = None
    ns: list[str] = []
    run_id: str | None = None
    workflow_id: str | None = None


class OfCommit(Moment):
    """What events of a commit say of it."""

    checkpoint_id: str
    kind: str | None = None
    node: str | None = None
    task_id: str | None = None


class Values(OfCommit):
    """The whole state after a commit."""

    state: Json


class Updates(OfCommit):
    """What a commit changed."""

    updates: Any


class TaskChanged(Moment):
    """A task that has started, waits, is tried again or has ended; `kind` is `NODE_STARTED` and so on."""

    task_id: str
    node: str | None = None
    index: int | None = None
    kind: str
    status: str
    attempt: int | None = None
    worker: str | None = None
    reason: str | None = None
    error: ErrorObject | None = None


class Chunk(Model):
    """A piece of text; the channel is `llm` for tokens, `log` for lines, or whatever a worker says."""

    channel: str
    text: str


class Custom(Moment):
    """What a worker reported; `progress` is from 0 to 1."""

    task_id: str | None = None
    node: str | None = None
    index: int | None = None
    attempt: int | None = None
    stage: str | None = None
    progress: float | None = None
    message: str | None = None
    chunks: list[Chunk] | None = None
    data: Any = None

    def text(self, channel: str = "llm") -> str:
        """The text of its chunks on a channel."""
        return "".join(chunk.text for chunk in self.chunks or () if chunk.channel == channel)


class RunChanged(Moment):
    """A run that has another status, or is resumed."""

    run_id: str
    status: str
    error: ErrorObject | None = None
    reason: str | None = None


class Ended(Model):
    """That a run is terminal, and how."""

    run_id: str
    status: str


class _Told(Model):
    """An event. `id` is where a stream goes on after it."""

    id: str


class ValuesEvent(_Told):
    """Mode `values`."""

    event: Literal["values"]
    data: Values


class UpdatesEvent(_Told):
    """Mode `updates`."""

    event: Literal["updates"]
    data: Updates


class TaskEvent(_Told):
    """Mode `tasks`."""

    event: Literal["task"]
    data: TaskChanged


class CustomEvent(_Told):
    """Mode `custom`."""

    event: Literal["custom"]
    data: Custom


class RunEvent(_Told):
    """In every mode: the run's status."""

    event: Literal["run"]
    data: RunChanged


class EndEvent(_Told):
    """In every mode: the last event."""

    event: Literal["end"]
    data: Ended


class DebugEvent(_Told):
    """Mode `debug`: checkpoint, dispatch, retry, interrupt, resume, state, error; and names that are new."""

    event: str
    data: Json = Field(default_factory=dict)


Event = ValuesEvent | UpdatesEvent | TaskEvent | CustomEvent | RunEvent | EndEvent | DebugEvent

CLASSES: dict[str, type[Event]] = {
    "values": ValuesEvent,
    "updates": UpdatesEvent,
    "task": TaskEvent,
    "custom": CustomEvent,
    "run": RunEvent,
    "end": EndEvent,
}
"""The class of an event by its name; all others are debug events."""
