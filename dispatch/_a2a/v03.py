"""Agent2Agent 0.3, and 0.2, as they are written: objects told apart by their `kind`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, assert_never

from dispatch._a2a.dialect import Operation, Written, some
from dispatch._a2a.model import ArtifactUpdate, Event, Message, Part, PushConfig, StatusUpdate, Task
from engine.missing import MISSING

VALUE = "value"
"""In data parts of 0.3 a value that is no object stands below this name."""


class V03(Written):
    """A `Dialect`."""

    version: ClassVar[str] = "0.3"
    methods: ClassVar[Mapping[Operation, str]] = {
        Operation.SEND: "message/send",
        Operation.STREAM: "message/stream",
        Operation.GET: "tasks/get",
        Operation.CANCEL: "tasks/cancel",
        Operation.SUBSCRIBE: "tasks/resubscribe",
        Operation.PUSH_SET: "tasks/pushNotificationConfig/set",
        Operation.PUSH_GET: "tasks/pushNotificationConfig/get",
        Operation.PUSH_LIST: "tasks/pushNotificationConfig/list",
        Operation.PUSH_DELETE: "tasks/pushNotificationConfig/delete",
        Operation.EXTENDED_CARD: "agent/getAuthenticatedExtendedCard",
    }

    def part(self, part: Part) -> dict[str, Any]:
        metadata = some(metadata=dict(part.metadata))
        if part.text is not None:
            return {"kind": "text", "text": part.text, **metadata}
        if part.data is not MISSING:
            data = part.data if isinstance(part.data, dict) else {VALUE: part.data}
            return {"kind": "data", "data": data, **metadata}
        file = some(bytes=part.raw, uri=part.url, name=part.filename, mimeType=part.media_type)
        return {"kind": "file", "file": file, **metadata}

    def message(self, message: Message) -> dict[str, Any]:
        return {"kind": "message", **self.message_fields(message, message.role.value)}

    def task(self, task: Task) -> dict[str, Any]:
        return {"kind": "task", **self.task_fields(task, self.status(task.status, task.status.state.value))}

    def sent(self, result: Task | Message) -> dict[str, Any]:
        return self.task(result) if isinstance(result, Task) else self.message(result)

    def event(self, event: Event) -> dict[str, Any]:
        match event:
            case Task() | Message():
                return self.sent(event)
            case StatusUpdate():
                fields = self.status_update_fields(event, self.status(event.status, event.status.state.value))
                return {"kind": "status-update", **fields, "final": event.final}
            case ArtifactUpdate():
                return {"kind": "artifact-update", **self.artifact_update_fields(event)}
            case _:
                assert_never(event)

    def push_config(self, config: PushConfig) -> dict[str, Any]:
        auth = some(schemes=[config.scheme] if config.scheme else [], credentials=config.credentials)
        if auth:
            auth.setdefault("schemes", [])
        inner = some(id=config.id, url=config.url, token=config.token, authentication=auth)
        return {"taskId": config.task_id, "pushNotificationConfig": inner}
