"""Rows and what they stand for: domain values to tuples in the order of a table's columns, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

from engine.brief import Brief
from engine.claims import ClaimRow
from engine.holds import Hold
from engine.kinds import BY_REQUEST
from engine.model import NO_USAGE, ErrorInfo, Hook, Push, Ref, RunHead, RunId, RunStatus, TaskId, Usage
from engine.ports import CommitRow, EventRow, InterruptRow, TimerRow, WorkerRow, WorkflowRow
from engine.session import OnBusy, Seat
from store._json import from_text, to_text

Row = Sequence[Any]

COMMIT = CommitRow._fields
BRIEF = Brief._fields
brief_values = attrgetter(*BRIEF)
EVENT = tuple(field.name for field in fields(EventRow))
TIMER = tuple(field.name for field in fields(TimerRow))
ASSIGNED = ("assignee", "claimed_at")
INTERRUPT = tuple(field.name for field in fields(InterruptRow) if field.name not in ASSIGNED)
WORKER = tuple(field.name for field in fields(WorkerRow))
CLAIM = tuple(field.name for field in fields(ClaimRow))

timer_values = attrgetter(*TIMER)

RUN = (
    "key", "id", "workflow_id", "workflow_version", "status", "head", "version", "branch", "epoch", "origin_id",
    "parent", "parent_id", "name", "error", "input_tokens", "output_tokens", "cost", "task_count", "created_at",
    "updated_at", "finished_at",
)  # fmt: skip
INPUT = ("run_key", "tags", "metadata", "config", "input", "stops", "trigger")
HOOK = ("run_key", "url", "secret", "events")
PUSH = tuple(field.name for field in fields(Push))
PLACE = ("run_key", "priority", "concurrency_key", "start_at", "reason")
SEAT = ("run_key", "session_id", "workflow_id", "created_at", "place", "waits")
SEATED = ("session_id", "place", "waits")
MOVED = (
    "workflow_version", "head", "version", "branch", "epoch", "error", "input_tokens", "output_tokens", "cost",
    "task_count", "updated_at", "finished_at",
)  # fmt: skip
"""The columns of `runs` that change while a run goes on, and not its status."""


def _error_text(error: ErrorInfo | None) -> str | None:
    return None if error is None else to_text(error.as_json())


def run_values(head: RunHead, version: int) -> Row:
    """The values of the columns RUN."""
    usage = head.usage
    return (
        head.key, head.id, head.workflow_id, head.workflow_version, head.status.value, head.head, version,
        head.branch, head.epoch, head.origin_id, head.parent, head.parent_id, head.name, _error_text(head.error),
        usage.input_tokens, usage.output_tokens, usage.cost, head.task_count, head.created_at, head.updated_at,
        head.finished_at,
    )  # fmt: skip


def input_values(head: RunHead) -> Row:
    """The values of the columns INPUT."""
    tags, described, config = to_text(head.tags), to_text(head.metadata), to_text(head.config)
    trigger = None if head.trigger == BY_REQUEST else head.trigger
    return head.key, tags, described, config, to_text(head.input), _stops_text(head), trigger


def _stops_text(head: RunHead) -> str | None:
    stops = (head.interrupt_before, head.interrupt_after)
    return None if stops == (None, None) else to_text(stops)


def _stops(text: str | None) -> dict[str, Any]:
    found = (None, None) if text is None else from_text(text)
    names = ("interrupt_before", "interrupt_after")
    return {name: None if nodes is None else tuple(nodes) for name, nodes in zip(names, found, strict=True)}


def hook_values(head: RunHead) -> Row:
    """The values of the columns HOOK, of a run that has one."""
    assert head.hook is not None
    return head.key, head.hook.url, head.hook.secret, to_text(head.hook.events)


def push_values(run_key: int, pushes: Iterable[Push]) -> list[Row]:
    """The values of `run_key`, then of the columns PUSH, of each push of a run."""
    return [(run_key, *(getattr(push, name) for name in PUSH)) for push in pushes]


def _pushes(text: str) -> tuple[Push, ...]:
    found = (Push(**dict(zip(PUSH, values, strict=True))) for values in from_text(text)) if text != "[]" else ()
    return tuple(sorted(found, key=lambda push: (push.created_at, push.id)))


def has_place(head: RunHead) -> bool:
    """Whether a run has asked for a place among others, or is queued."""
    return bool(head.priority) or any(part is not None for part in place_values(head)[2:])


def place_values(head: RunHead) -> Row:
    """The values of the columns PLACE."""
    return head.key, head.priority, head.concurrency_key, head.start_at, head.reason


def _place(priority: int | None, *rest: Any) -> dict[str, Any]:
    """What the columns PLACE say without the key; nothing where there is no row of them."""
    return dict(zip(PLACE[1:], (priority or 0, *rest), strict=True))


def seat_values(head: RunHead) -> Row:
    """The values of the columns SEAT, of a run that has one."""
    assert head.seat is not None
    seat = head.seat
    return head.key, seat.session, head.workflow_id, head.created_at, seat.place, seat.waits


def _seat(session: str | None, place: int | None, waits: str | None) -> Seat | None:
    return None if session is None else Seat(session=session, place=place, waits=OnBusy(waits) if waits else None)


def _hook(url: str | None, secret: str | None, events: str) -> Hook | None:
    return None if url is None else Hook(url=url, secret=secret, events=tuple(map(RunStatus, from_text(events))))


def _usage(given: int, made: int, cost: float) -> Usage:
    return Usage(input_tokens=given, output_tokens=made, cost=cost) if given or made or cost else NO_USAGE


def moved_values(head: RunHead, version: int) -> Row:
    """The values of the columns MOVED, then the run's key."""
    usage = head.usage
    return (
        head.workflow_version, head.head, version, head.branch, head.epoch, _error_text(head.error), usage.input_tokens,
        usage.output_tokens, usage.cost, head.task_count, head.updated_at, head.finished_at,
        head.key,
    )  # fmt: skip


def run_head(row: Row) -> RunHead:
    """A run of the columns RUN, then those of INPUT without the key, why it is held, those of HOOK without it, its
    pushes, those of PLACE without the key, and SEATED."""
    (
        key, run_id, workflow_id, workflow_version, status, head, _, branch, epoch, origin_id, parent, parent_id,
        name, error, input_tokens, output_tokens, cost, task_count, created_at, updated_at, finished_at, tags,
        metadata, config, given, stops, trigger, hold, url, secret, told, pushes, *more,
    ) = row  # fmt: skip
    return RunHead(
        key=key,
        id=RunId(run_id),
        workflow_id=workflow_id,
        workflow_version=workflow_version,
        status=RunStatus(status),
        head=Ref(head),
        created_at=created_at,
        updated_at=updated_at,
        input=from_text(given),
        config=from_text(config),
        **_stops(stops),
        hook=_hook(url, secret, told),
        pushes=_pushes(pushes),
        origin_id=origin_id,
        branch=branch,
        epoch=epoch,
        error=None if error is None else ErrorInfo(**from_text(error)),
        usage=_usage(input_tokens, output_tokens, cost),
        task_count=task_count,
        parent=parent,
        parent_id=parent_id,
        metadata=from_text(metadata),
        tags=tuple(from_text(tags)),
        name=name,
        trigger=trigger or BY_REQUEST,
        finished_at=finished_at,
        hold=None if hold is None else Hold(hold),
        **_place(*more[: len(PLACE) - 1]),
        seat=_seat(*more[len(PLACE) - 1 :]),
    )


def commit_rows(found: Iterable[Row]) -> list[CommitRow]:
    """Commits of the columns COMMIT."""
    return list(map(CommitRow._make, found))


def briefs(found: Iterable[Row]) -> list[Brief]:
    """Briefs of the columns BRIEF."""
    return list(map(Brief._make, found))


def event_values(event: EventRow) -> Row:
    """The values of the columns EVENT."""
    return event.run_key, event.n, event.seq, event.at, event.kind, event.task_id, to_text(event.body)


def event_row(row: Row) -> EventRow:
    """An event of the columns EVENT."""
    key, n, seq, at, kind, task_id, body = row
    return EventRow(run_key=key, n=n, seq=seq, at=at, kind=kind, task_id=task_id, body=from_text(body))


def timer_row(row: Row) -> TimerRow:
    """A timer of the columns TIMER."""
    key, task_id, kind, due_at = row
    return TimerRow(run_key=key, task_id=TaskId(task_id), kind=kind, due_at=due_at)


def interrupt_values(row: InterruptRow) -> Row:
    """The values of the columns INTERRUPT."""
    return (
        row.id, row.run_key, row.run_id, row.task_id, row.node, row.kind, row.message, to_text(row.schema),
        to_text(row.actions), row.status, row.created_at, row.expires_at, row.resolved_at,
    )  # fmt: skip


def interrupt_row(row: Row) -> InterruptRow:
    """An interrupt of the columns INTERRUPT, then ASSIGNED."""
    found = dict(zip((*INTERRUPT, *ASSIGNED), row, strict=True))
    return InterruptRow(**{**found, "schema": from_text(found["schema"]), "actions": from_text(found["actions"])})


def workflow_row(row: Row) -> WorkflowRow:
    """A version of a workflow: its own columns, then its workflow's status, newest version and time of change."""
    workflow_id, version, source, name, tags, created_at, updated_at, document, status, newest, changed_at = row
    return WorkflowRow(
        id=workflow_id,
        version=version,
        document=_document(document),
        status=status,
        source=source,
        created_at=created_at,
        updated_at=changed_at if version == newest else updated_at,
        name=name,
        tags=tuple(from_text(tags)),
    )


@lru_cache(maxsize=32)
def _document(text: str) -> Any:
    """The document of a version, which nobody changes: one that many runs are started of is not read for each."""
    return from_text(text)


def workflow_values(row: WorkflowRow) -> dict[str, Any]:
    """The values of a version's columns, and of its workflow's, by name."""
    return {
        "id": row.id,
        "version": row.version,
        "document": to_text(row.document),
        "status": row.status,
        "source": row.source,
        "name": row.name,
        "tags": to_text(row.tags),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def worker_values(row: WorkerRow) -> dict[str, Any]:
    """The values of the columns WORKER by name."""
    values = {name: getattr(row, name) for name in WORKER}
    return {
        **values,
        "tags": to_text(row.tags),
        "headers": to_text(dict(row.headers)),
        "metadata": to_text(row.metadata),
    }


def worker_row(row: Row) -> WorkerRow:
    """A worker of the columns WORKER."""
    found = dict(zip(WORKER, row, strict=True))
    given = {name: from_text(found[name]) for name in ("headers", "metadata")}
    return WorkerRow(**{**found, **given, "tags": tuple(from_text(found["tags"]))})


def claim_values(row: ClaimRow) -> Row:
    """The values of the columns CLAIM."""
    return row.scope, row.key, row.fingerprint, row.made, row.at, row.status, to_text(dict(row.headers)), row.body


def claim_row(row: Row) -> ClaimRow:
    """A key of the columns CLAIM."""
    found = dict(zip(CLAIM, row, strict=True))
    return ClaimRow(**{**found, "headers": from_text(found["headers"])})
