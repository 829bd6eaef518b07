"""Agent2Agent 1.0 as it is written: ProtoJSON, objects told apart by their members."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, assert_never

from dispatch._a2a.dialect import Operation, Written, some
from dispatch._a2a.model import ArtifactUpdate, Event, Message, Part, PushConfig, State, Status, StatusUpdate, Task
from engine.missing import MISSING


class V1(Written):
    """A `Dialect`."""

    version: ClassVar[str] = "1.0"
    methods: ClassVar[Mapping[Operation, str]] = {
        Operation.SEND: "SendMessage",
        Operation.STREAM: "SendStreamingMessage",
        Operation.GET: "GetTask",
        Operation.LIST: "ListTasks",
        Operation.CANCEL: "CancelTask",
        Operation.SUBSCRIBE: "SubscribeToTask",
        Operation.PUSH_SET: "CreateTaskPushNotificationConfig",
        Operation.PUSH_GET: "GetTaskPushNotificationConfig",
        Operation.PUSH_LIST: "ListTaskPushNotificationConfigs",
        Operation.PUSH_DELETE: "DeleteTaskPushNotificationConfig",
        Operation.EXTENDED_CARD: "GetExtendedAgentCard",
    }

    def part(self, part: Part) -> dict[str, Any]:
        content = {"text": part.text, "raw": part.raw, "url": part.url}
        found = {name: value for name, value in content.items() if value is not None}
        if part.data is not MISSING:
            found["data"] = part.data
        return found | some(filename=part.filename, mediaType=part.media_type, metadata=dict(part.metadata))

    def message(self, message: Message) -> dict[str, Any]:
        return self.message_fields(message, f"ROLE_{message.role.upper()}")

    def task(self, task: Task) -> dict[str, Any]:
        return self.task_fields(task, self._status(task.status))

    def sent(self, result: Task | Message) -> dict[str, Any]:
        return self.event(result)

    def event(self, event: Event) -> dict[str, Any]:
        match event:
            case Task():
                return {"task": self.task(event)}
            case Message():
                return {"message": self.message(event)}
            case StatusUpdate():
                return {"statusUpdate": self.status_update_fields(event, self._status(event.status))}
            case ArtifactUpdate():
                return {"artifactUpdate": self.artifact_update_fields(event)}
            case _:
                assert_never(event)

    def push_config(self, config: PushConfig) -> dict[str, Any]:
        auth = some(scheme=config.scheme, credentials=config.credentials)
        return some(id=config.id, taskId=config.task_id, url=config.url, token=config.token, authentication=auth)

    def _status(self, status: Status) -> dict[str, Any]:
        return self.status(status, state_name(status.state))


def state_name(state: State) -> str:
    """A state as 1.0 writes it."""
    if state is State.UNKNOWN:
        return "TASK_STATE_UNSPECIFIED"
    return "TASK_STATE_" + state.upper().replace("-", "_")
