"""Lists of tasks: which ones are asked for, and how they are told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from api.a2a.errors import wrong
from api.a2a.history import told_task
from api.a2a.sending import history_length
from api.a2a.tasks import REJECTED, STATES
from api.times import milliseconds
from api.wiring import Wired
from dispatch._a2a.model import State, Task
from dispatch._a2a.v1 import state_name
from engine.errors import Invalid, NotFound
from engine.kinds import AUTH
from engine.model import RunStatus
from engine.ports import RecentFilter
from engine.values import dataclass

MOST, USUAL = 100, 50
"""So many tasks are on a page at most, and where it is not said how many."""
SINCE = "statusTimestampAfter"
_STATES: Mapping[State, Mapping[str, Any]] = {
    **{state: {"status": (RunStatus(status),)} for status, state in STATES.items()},
    State.INPUT_REQUIRED: {"status": (RunStatus.INTERRUPTED,), "asks_but": AUTH},
    State.AUTH_REQUIRED: {"status": (RunStatus.INTERRUPTED,), "asks_only": AUTH},
    State.FAILED: {"status": (RunStatus.FAILED,), "but_code": REJECTED},
    State.REJECTED: {"status": (RunStatus.FAILED,), "code": REJECTED},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The tasks that are asked for; None: no run can be one of them. `history`: so many messages of each, None: all."""

    where: RecentFilter | None
    size: int
    cursor: str | None
    history: int | None
    artifacts: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page. `following` is where the next one begins; empty where this is the last."""

    tasks: tuple[Task, ...]
    following: str
    total: int


def page_size(params: Mapping[str, Any]) -> int | None:
    """How many are wanted on a page; None where that is not said. Raises A2AError."""
    size = history_length(params, "pageSize")
    if size is not None and not 1 <= size <= MOST:
        raise wrong("pageSize", f"1 to {MOST}")
    return size


def read_listing(params: Mapping[str, Any], workflow_id: str | None) -> Listing:
    """What a request asks for. Raises A2AError."""
    size, artifacts = page_size(params), params.get("includeArtifacts")
    if artifacts is not None and not isinstance(artifacts, bool):
        raise wrong("includeArtifacts", "true or false is expected")
    status = _status(params.get("status"))
    where = None
    if status is not None:
        where = RecentFilter(
            workflow_id=workflow_id, session_id=text(params, "contextId"), since=_since(params), **status
        )
    return Listing(
        where=where, size=size or USUAL, cursor=text(params, "pageToken"), history=history_length(params),
        artifacts=artifacts is True,
    )  # fmt: skip


async def listed(server: Wired, wanted: Listing) -> Listed:
    """A page of tasks. Raises A2AError."""
    if wanted.where is None:
        return Listed(tasks=(), following="", total=0)
    try:
        page = await server.store.recent_runs(wanted.where, wanted.size, wanted.cursor)
    except Invalid as invalid:
        raise wrong("pageToken", invalid.message) from invalid
    tasks = []
    for head in page.items:
        try:
            run = await server.reader.run(head.id)
        except NotFound:  # it was deleted meanwhile
            continue
        tasks.append(await told_task(server, run, wanted.history, artifacts=wanted.artifacts))
    total = await server.store.count_recent(wanted.where)
    return Listed(tasks=tuple(tasks), following=page.next_cursor or "", total=total)


def _status(given: Any) -> Mapping[str, Any] | None:
    """What a state asks for; None for one that no run is ever in."""
    if given in (None, "", "TASK_STATE_UNSPECIFIED"):
        return {}
    found = next((state for state in State if given in (state.value, state_name(state))), None)
    if found is None:
        raise wrong("status", "it is no state of a task")
    return _STATES.get(found)


def _since(params: Mapping[str, Any]) -> int | None:
    if (given := text(params, SINCE)) is None:
        return None
    try:
        if datetime.fromisoformat(given).tzinfo is not None:
            return milliseconds(given)
    except (ValueError, OverflowError):
        pass
    raise wrong(SINCE, "a time of RFC 3339 is expected")


def text(params: Mapping[str, Any], name: str) -> str | None:
    """A parameter that is a text; None where it is empty or absent. Raises A2AError."""
    found = params.get(name)
    if found is not None and not isinstance(found, str):
        raise wrong(name, "a text is expected")
    return found or None
