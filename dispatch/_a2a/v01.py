"""The drafts before 0.2 as they are written: `tasks/send`, parts with a `type`, sessions instead of contexts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from dispatch._a2a.dialect import Operation, some
from dispatch._a2a.model import Message, Part
from dispatch._a2a.v03 import V03


class V01:
    """What is sent to an agent of that time; its answers are read as all others."""

    version: ClassVar[str] = "0.1"
    methods: ClassVar[Mapping[Operation, str]] = {
        Operation.SEND: "tasks/send",
        Operation.STREAM: "tasks/sendSubscribe",
        Operation.GET: "tasks/get",
        Operation.CANCEL: "tasks/cancel",
        Operation.SUBSCRIBE: "tasks/resubscribe",
        Operation.PUSH_SET: "tasks/pushNotification/set",
        Operation.PUSH_GET: "tasks/pushNotification/get",
    }

    def part(self, part: Part) -> dict[str, Any]:
        written = V03().part(part)
        return {"type": written.pop("kind"), **written}

    def message(self, message: Message) -> dict[str, Any]:
        parts = [self.part(part) for part in message.parts]
        return some(role=message.role.value, parts=parts, metadata=dict(message.metadata))
