"""What the versions of Agent2Agent have in common: messages, tasks, artifacts, and what changes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from engine.missing import MISSING
from engine.values import dataclass


class State(StrEnum):
    """The states of a task, as 0.3 writes them; UNKNOWN is whatever is none of the others."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELED, State.REJECTED})
PAUSED = frozenset({State.INPUT_REQUIRED, State.AUTH_REQUIRED})


class Role(StrEnum):
    """Who speaks: the one that asks, or the agent."""

    USER = "user"
    AGENT = "agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of content: exactly one of text, data (any JSON), raw bytes (base64 text) or a URL is given."""

    text: str | None = None
    data: Any = MISSING
    raw: str | None = None
    url: str | None = None
    filename: str | None = None
    media_type: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        return self.raw is not None or self.url is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something said in a conversation."""

    message_id: str
    role: Role
    parts: tuple[Part, ...]
    context_id: str | None = None
    task_id: str | None = None
    reference_task_ids: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Where a task is; `timestamp` is RFC 3339."""

    state: State
    message: Message | None = None
    timestamp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that a task brought forth."""

    artifact_id: str
    parts: tuple[Part, ...]
    name: str | None = None
    description: str | None = None
    extensions: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A piece of work of an agent, in a context (a conversation). `artifacts` None: they are not told."""

    id: str
    context_id: str
    status: Status
    artifacts: tuple[Artifact, ...] | None = ()
    history: tuple[Message, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate:
    """The status of a task changed; `final` ends the stream (which 1.0 says by ending it)."""

    task_id: str
    context_id: str
    status: Status
    final: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactUpdate:
    """An artifact, or more of one: `append` adds its parts to those told before."""

    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


Event = Task | Message | StatusUpdate | ArtifactUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class PushConfig:
    """Where to tell of a task: `scheme` and `credentials` make the `Authorization` header."""

    id: str
    task_id: str
    url: str
    token: str | None = None
    scheme: str | None = None
    credentials: str | None = None
