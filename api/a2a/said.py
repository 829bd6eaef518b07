"""What those are told who are told of a task: in 1.0 what changes of it, in 0.3 the task as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.a2a.rpc import V03, V1
from api.a2a.tasks import OUTPUT, artifacts_of, context_of, messages_of, status_of, task_of
from dispatch._a2a.model import TERMINAL, ArtifactUpdate, Event, StatusUpdate
from dispatch._a2a.v03 import V03 as Dialect03
from dispatch._a2a.v1 import V1 as Dialect1
from engine.announcement import Said
from engine.codec import write

CHANGE = "application/a2a+json"
OMITTED = "outputOmitted"
"""What is said in the metadata where an output is too long to be sent along."""
Shape = Mapping[str, Any]


def said(base_url: str, form: str, run: Shape) -> tuple[Said, ...]:
    """What a server at an address says of a run, which has come to another status, to those who asked in a version."""
    return _FORMS[form](run, base_url)


def _changes(run: Shape, _: str) -> tuple[Said, ...]:
    dialect = Dialect1()
    placed: dict[str, Any] = {"task_id": run["id"], "context_id": context_of(run)}
    status = status_of(run)
    last = StatusUpdate(status=status, final=status.state in TERMINAL, metadata=_notes(run), **placed)
    told: list[tuple[str, Event]] = [
        (OUTPUT, ArtifactUpdate(artifact=one, last_chunk=True, **placed)) for one in artifacts_of(run)
    ]
    told.append((str(run["status"]), last))
    return tuple(Said(event=name, media_type=CHANGE, body=write(dialect.event(one))) for name, one in told)


def _whole(run: Shape, base_url: str) -> tuple[Said, ...]:
    task = Dialect03().task(task_of(run, history=tuple(messages_of(run, base_url))))
    if notes := _notes(run):
        task["metadata"] = {**task.get("metadata", {}), **notes}
    return (Said(event=str(run["status"]), media_type="application/json", body=write(task)),)


def _notes(run: Shape) -> dict[str, Any]:
    return {OMITTED: True} if run["output_omitted"] else {}


_FORMS: Mapping[str, Callable[[Shape, str], tuple[Said, ...]]] = {V1: _changes, V03: _whole}
