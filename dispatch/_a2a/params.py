"""The parameters of what an agent is asked, as each version has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from dispatch._a2a.card import V01 as VERSION_01
from dispatch._a2a.card import V03 as VERSION_03
from dispatch._a2a.card import V1 as VERSION_1
from dispatch._a2a.dialect import Operation, some
from dispatch._a2a.model import Message, PushConfig
from dispatch._a2a.v01 import V01
from dispatch._a2a.v03 import V03
from dispatch._a2a.v1 import V1

MODES = ("application/json", "text/plain")
"""What can be made something of; an agent's own modes are taken as well, as files."""


class Speaks(Protocol):
    """What is asked in a version; answers of all versions are read alike."""

    version: ClassVar[str]
    methods: ClassVar[Mapping[Operation, str]]

    def message(self, message: Message) -> Any: ...


SPEAKS: Mapping[str, Speaks] = {VERSION_1: V1(), VERSION_03: V03(), VERSION_01: V01()}


def to_send(
    version: str, message: Message, *, modes: Sequence[str] = (), push: PushConfig | None = None, tenant: str | None
) -> dict[str, Any]:
    """A message, to be answered at once with the task that it leads to."""
    told = SPEAKS[version].message(message)
    accepted = list(dict.fromkeys((*MODES, *modes)))
    if version == VERSION_01:  # there the task has its id, and the session, from who asks
        task_id = message.task_id or message.message_id
        config = None if push is None else some(url=push.url, token=push.token)
        return some(
            id=task_id, sessionId=message.context_id or task_id, message=told, acceptedOutputModes=accepted,
            pushNotification=config,
        )  # fmt: skip
    if version == VERSION_03:
        config = None if push is None else V03().push_config(push)["pushNotificationConfig"]
        how = some(acceptedOutputModes=accepted, pushNotificationConfig=config) | {"blocking": False}
        return {"message": told, "configuration": how}
    config = None if push is None else V1().push_config(push)
    how = some(acceptedOutputModes=accepted, taskPushNotificationConfig=config) | {"returnImmediately": True}
    return some(tenant=tenant, message=told, configuration=how)


def of_task(task_id: str, tenant: str | None) -> dict[str, Any]:
    """A task by its id."""
    return some(tenant=tenant, id=task_id)


def to_push(version: str, push: PushConfig, tenant: str | None) -> dict[str, Any]:
    """Where to tell of a task."""
    if version == VERSION_1:
        return some(tenant=tenant) | V1().push_config(push)
    told: dict[str, Any] = V03().push_config(push)
    if version == VERSION_01:
        return {"id": told["taskId"], "pushNotificationConfig": told["pushNotificationConfig"]}
    return told
