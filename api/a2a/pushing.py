"""The methods about push configs: who is told of a task while it goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from api.a2a.configs import DEFAULT, push_of, shown
from api.a2a.errors import A2AError, Code, wrong
from api.a2a.listing import MOST, page_size, text
from api.a2a.rpc import V03, V1, Call
from api.paging import page_of
from api.wiring import Wired
from dispatch._a2a.dialect import Operation
from engine.errors import Conflict, Invalid
from engine.model import Push, RunId

Find = Callable[[str], Awaitable[Mapping[str, Any]]]
"""Finds a run that is a task of the agent. Raises A2AError."""


class Pushing:
    """What can be asked about the push configs of an agent's tasks."""

    def __init__(self, server: Wired, find: Find) -> None:
        self.server, self.find = server, find
        self.methods = {
            Operation.PUSH_SET: self.set,
            Operation.PUSH_GET: self.get,
            Operation.PUSH_LIST: self.list,
            Operation.PUSH_DELETE: self.delete,
        }

    async def set(self, call: Call) -> Any:
        """Have somebody told of a task, in the place of whoever has the same id."""
        run = await self.find(_named(call.params, "taskId"))
        given, where = (call.params, "config") if call.version == V1 else (call.params.get(_CONFIG), _CONFIG)
        push = await push_of(given, where, call.version, self.server.outside, self.server.engine.clock())
        try:
            await self.server.engine.pushes.add(RunId(run["id"]), push)
        except Conflict as conflict:
            raise A2AError(Code.UNSUPPORTED, conflict.message) from conflict
        return shown(push, run["id"], call.version)

    async def get(self, call: Call) -> Any:
        """One config; in 0.3 the one without an id, or the first, where none is named."""
        task, name = await self._meant(call)
        pushes = await self._pushes(task)
        found = next((push for push in pushes if push.id == (name or DEFAULT)), None)
        if found is None and name is None:
            found = next(iter(pushes), None)
        if found is None:
            raise A2AError(Code.TASK_NOT_FOUND, f"the task has no push config {(name or DEFAULT)[:80]!r}")
        return shown(found, task, call.version)

    async def list(self, call: Call) -> Any:
        """The configs of a task, oldest first: all of them in 0.3, a page in 1.0."""
        task = (await self.find(_named(call.params, "taskId" if call.version == V1 else "id")))["id"]
        if call.version == V03:
            return [shown(push, task, call.version) for push in await self._pushes(task)]
        size, token = page_size(call.params) or MOST, text(call.params, "pageToken")
        try:
            page = page_of(sorted(await self._pushes(task), key=_place), _place, size, token)
        except Invalid as invalid:
            raise wrong("pageToken", invalid.message) from invalid
        configs = [shown(push, task, call.version) for push in page.items]
        return {"configs": configs, "nextPageToken": page.next_cursor or ""}

    async def delete(self, call: Call) -> Any:
        """Tell somebody nothing more; it is no mistake where nobody is told."""
        task, name = await self._meant(call)
        try:
            await self.server.engine.pushes.remove(RunId(task), name or DEFAULT)
        except Conflict as conflict:
            raise A2AError(Code.UNSUPPORTED, conflict.message) from conflict
        return None if call.version == V03 else {}

    async def _meant(self, call: Call) -> tuple[str, str | None]:
        """The task, and the id of the config, which 0.3 may leave out."""
        task = await self.find(_named(call.params, "taskId" if call.version == V1 else "id"))
        if call.version == V1:
            return task["id"], _named(call.params, "id")
        given = call.params.get("pushNotificationConfigId")
        return task["id"], _named(call.params, "pushNotificationConfigId") if given is not None else None

    async def _pushes(self, run_id: str) -> tuple[Push, ...]:
        return (await self.server.reader.head(run_id)).pushes


_CONFIG = "pushNotificationConfig"


def _named(params: Mapping[str, Any], name: str) -> str:
    found = params.get(name)
    if not isinstance(found, str) or not found:
        raise wrong(name, "an id is expected")
    return found


def _place(push: Push) -> str:
    """Where a config stands among those of its task: one that takes the place of another is the newest."""
    return f"{push.created_at:015} {push.id}"
