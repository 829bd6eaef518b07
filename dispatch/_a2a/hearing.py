"""What is heard of a task of an agent: what it comes to while it goes on, and what is reported of that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, assert_never

from dispatch._a2a.client import Told
from dispatch._a2a.model import (
    PAUSED,
    TERMINAL,
    Artifact,
    ArtifactUpdate,
    Message,
    State,
    Status,
    StatusUpdate,
    Task,
)
from dispatch._http import MAX_BODY, TooLarge
from engine.missing import MISSING
from engine.values import replace

Report = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Heard:
    """One task as it is known by now, or the one message that an agent answered with instead of a task."""

    task_id: str | None = None
    context_id: str | None = None
    status: Status | None = None
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    last: Message | None = None
    """What the agent said last in the history of the task."""
    message: Message | None = None
    """Its answer, where it made no task of what was said."""
    size: int = 0
    told: set[str] = field(default_factory=set)
    """The messages that were reported."""
    asked: str | None = None
    """The question that is answered: a task that still shows it has not gone on yet."""

    @property
    def state(self) -> State:
        return State.UNKNOWN if self.status is None else self.status.state

    @property
    def is_over(self) -> bool:
        """Whether there is an answer: nothing more happens without another message."""
        return self.message is not None or self.state in TERMINAL or (self.state in PAUSED and not self._is_answered)

    @property
    def _is_answered(self) -> bool:
        message = None if self.status is None else self.status.message
        return message is not None and bool(message.message_id) and message.message_id == self.asked

    def take(self, told: Told) -> list[Report]:
        """Take up an event; what there is to report of it. Raises TooLarge."""
        match told.event:
            case Message():
                self.message, self.context_id = told.event, told.event.context_id
                return []
            case Task():
                return self._task(told.event)
            case StatusUpdate():
                self.task_id = self.task_id or told.event.task_id or None
                self.context_id = self.context_id or told.event.context_id or None
                return [*self._status(told.event.status), *_step(told.event.metadata)]
            case ArtifactUpdate():
                self._grow(told.size)
                self.task_id = self.task_id or told.event.task_id or None
                return list(self._artifact(told.event))
            case _:
                assert_never(told.event)

    def _task(self, task: Task) -> list[Report]:
        """A task as it is: its artifacts are all there are, where it tells any."""
        self.task_id, self.context_id = task.id, task.context_id or self.context_id
        if task.artifacts:
            self.artifacts = {one.artifact_id: one for one in task.artifacts}
        by_agent = [message for message in task.history if message.role != "user"]
        self.last = by_agent[-1] if by_agent else self.last
        return list(self._status(task.status))

    def _status(self, status: Status) -> Iterator[Report]:
        if self.state in TERMINAL and status.state not in TERMINAL:  # an older one, told again
            return
        self.status = status
        if status.state not in PAUSED:
            self.asked = None
        message = status.message
        if message is None or status.state in TERMINAL or status.state in PAUSED:
            return
        name = message.message_id or text_of(message) or ""
        if name not in self.told and (text := text_of(message)):
            self.told.add(name)
            yield {"stage": status.state.value, "message": text}

    def _artifact(self, update: ArtifactUpdate) -> Iterator[Report]:
        artifact = update.artifact
        before = self.artifacts.get(artifact.artifact_id)
        if update.append and before is not None:
            self.artifacts[artifact.artifact_id] = replace(before, parts=(*before.parts, *artifact.parts))
        else:
            self.artifacts[artifact.artifact_id] = artifact
        if before is None and update.last_chunk:  # it came whole: it is in the answer
            return
        channel = (artifact.name or (before.name if before else None) or artifact.artifact_id)[:200]
        for part in artifact.parts:
            if part.text is not None:
                yield {"chunks": [{"channel": channel, "text": part.text}]}
            elif part.data is not MISSING:
                yield {"data": {"artifact": channel, "data": part.data}}

    def _grow(self, size: int) -> None:
        self.size += size
        if self.size > MAX_BODY:
            raise TooLarge(f"the artifacts of the task are larger than {MAX_BODY} bytes")


def text_of(message: Message) -> str | None:
    """The texts of a message, one below the other; None where it has none."""
    texts = [part.text for part in message.parts if part.text is not None]
    return "\n".join(texts) if texts else None


def _step(metadata: Mapping[str, Any]) -> list[Report]:
    """A step that an agent says it has come to, where that is all it says."""
    node, kind = metadata.get("node"), metadata.get("kind")
    if not isinstance(node, str):
        return []
    return [{"stage": node[:1000], **({"message": kind} if isinstance(kind, str) else {})}]
