"""What is different between the versions of Agent2Agent when something is written."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from dispatch._a2a.model import Artifact, ArtifactUpdate, Event, Message, Part, PushConfig, Status, StatusUpdate, Task


class Operation(StrEnum):
    """What can be asked of an agent."""

    SEND = "send"
    STREAM = "stream"
    GET = "get"
    LIST = "list"
    CANCEL = "cancel"
    SUBSCRIBE = "subscribe"
    PUSH_SET = "push_set"
    PUSH_GET = "push_get"
    PUSH_LIST = "push_list"
    PUSH_DELETE = "push_delete"
    EXTENDED_CARD = "extended_card"


class Dialect(Protocol):
    """One version on the wire. All of it gives JSON values."""

    version: ClassVar[str]
    methods: ClassVar[Mapping[Operation, str]]
    """The names of the methods; an operation that is not there does not exist in this version."""

    def part(self, part: Part) -> Any: ...

    def message(self, message: Message) -> Any: ...

    def task(self, task: Task) -> Any:
        """A task as the answer to a question for it."""

    def sent(self, result: Task | Message) -> Any:
        """The answer to a message."""

    def event(self, event: Event) -> Any:
        """What a stream tells, or a push."""

    def push_config(self, config: PushConfig) -> Any: ...


class Written:
    """What all versions write alike: objects whose members are left out where there is nothing to say."""

    part: Any
    message: Any

    def status(self, status: Status, state: str) -> dict[str, Any]:
        message = None if status.message is None else self.message(status.message)
        return some(state=state, message=message, timestamp=status.timestamp)

    def artifact(self, artifact: Artifact) -> dict[str, Any]:
        return some(
            artifactId=artifact.artifact_id,
            name=artifact.name,
            description=artifact.description,
            parts=[self.part(part) for part in artifact.parts],
            extensions=list(artifact.extensions),
            metadata=dict(artifact.metadata),
        )

    def task_fields(self, task: Task, status: Any) -> dict[str, Any]:
        artifacts = None if task.artifacts is None else [self.artifact(one) for one in task.artifacts]
        return some(
            id=task.id,
            contextId=task.context_id,
            status=status,
            artifacts=artifacts,
            history=[self.message(one) for one in task.history],
            metadata=dict(task.metadata),
        )

    def message_fields(self, message: Message, role: str) -> dict[str, Any]:
        return some(
            messageId=message.message_id,
            role=role,
            parts=[self.part(part) for part in message.parts],
            contextId=message.context_id,
            taskId=message.task_id,
            referenceTaskIds=list(message.reference_task_ids),
            extensions=list(message.extensions),
            metadata=dict(message.metadata),
        )

    def status_update_fields(self, update: StatusUpdate, status: Any) -> dict[str, Any]:
        return some(taskId=update.task_id, contextId=update.context_id, status=status, metadata=dict(update.metadata))

    def artifact_update_fields(self, update: ArtifactUpdate) -> dict[str, Any]:
        told = some(taskId=update.task_id, contextId=update.context_id, metadata=dict(update.metadata))
        flags = {"append": update.append, "lastChunk": update.last_chunk}
        return {**told, "artifact": self.artifact(update.artifact), **flags}


def some(**members: Any) -> dict[str, Any]:
    """An object of the members that say something: neither null nor empty, but for `parts`."""
    return {name: value for name, value in members.items() if name == "parts" or value not in (None, [], {})}
