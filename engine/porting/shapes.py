"""The lines of a file as they have to be: the fields of each kind, and of what commits and events hold."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model import Kind as CommitKind
from engine.model import RunStatus, TaskStatus
from engine.porting.fields import (
    ANY,
    COUNT,
    INTEGER,
    LIST,
    NAME,
    NUMBER,
    OBJECT,
    PLACE,
    REF,
    TEXT,
    TEXTS,
    TIME,
    Field,
    needed,
    one_of,
    optional,
)

Fields = Mapping[str, Field]

HEADER = needed(format=TEXT, version=COUNT, run_id=NAME, workflow_id=TEXT, first_version=PLACE, runs=PLACE)
USAGE = needed(input_tokens=COUNT, output_tokens=COUNT, cost=NUMBER)
ERROR = needed(code=TEXT, message=TEXT) | optional(
    node=TEXT.or_null(), task_id=TEXT.or_null(), attempt=COUNT.or_null(), retryable=ANY, details=ANY
)
ANCESTOR = needed(
    id=NAME, origin_id=TEXT, created_at=TIME, input=OBJECT, config=OBJECT, interrupt_before=TEXTS.or_null(),
    interrupt_after=TEXTS.or_null(), metadata=OBJECT, tags=TEXTS, name=TEXT.or_null(), parent=REF.or_null(),
    workflow_version=PLACE, commits=PLACE,
) | optional(priority=INTEGER, concurrency_key=TEXT, start_at=TIME, session=OBJECT, trigger=NAME)  # fmt: skip
SESSION = needed(id=TEXT, place=PLACE)
RUN = ANCESTOR | needed(
    status=one_of(RunStatus), branch=PLACE, epoch=COUNT, task_count=COUNT, updated_at=TIME, finished_at=TIME.or_null(),
    error=OBJECT.or_null(), usage=OBJECT, events=COUNT,
)  # fmt: skip
FATE = needed(
    id=TEXT, status=one_of(("open", "resolved", "cancelled", "expired", "suspended")), resolved_at=TIME.or_null(),
    assignee=TEXT.or_null(), claimed_at=TIME.or_null(),
)  # fmt: skip
LETTER = needed(seq=PLACE, worker=TEXT.or_null(), status=one_of(("open", "redriven")), redriven_at=TIME.or_null())
COMMIT = needed(
    seq=PLACE, branch=PLACE, kind=one_of(CommitKind), at=TIME, status=one_of(RunStatus), actor=TEXT, epoch=COUNT,
    body=OBJECT,
) | optional(level=COUNT, parent=REF, dominator=REF, base=REF, snapshot=OBJECT)  # fmt: skip

LINES: Mapping[str, Fields] = {
    "workflow": needed(version=PLACE, document=OBJECT),
    "ancestor": ANCESTOR,
    "run": RUN,
    "interrupt": FATE,
    "dead_letter": LETTER,
    "timer": needed(task_id=TEXT, kind=TEXT, due_at=TIME),
    "commit": COMMIT,
    "event": needed(n=PLACE, seq=COUNT, at=TIME, kind=TEXT, task_id=TEXT.or_null(), body=OBJECT),
    "end": needed(lines=COUNT, sha256=TEXT),
}
"""All lines but the first, by the key that says what they are of."""

BODY = optional(
    task=LIST, causes=LIST, writes=LIST, opened=LIST, closed=TEXTS, waiting=LIST, joined=LIST, calls=LIST,
    chosen=TEXTS, handle=TEXT, answer=ANY, worker=TEXT, started_at=TIME, input_hash=TEXT, created_at=TIME,
    task_status=one_of(TaskStatus), error=OBJECT, usage=OBJECT, spent=OBJECT, attempt=COUNT, resolved=TEXTS,
    interrupt=OBJECT, reused=ANY, reuse=LIST, limits=OBJECT, versions=LIST, dropped=TEXTS, goto=TEXTS, absorbed=LIST,
    cancelled=LIST, frames=LIST, cached=ANY, by_human=ANY,
)  # fmt: skip
INTERRUPT = needed(
    id=TEXT, kind=one_of(("node", "worker", "auth", "breakpoint")), message=TEXT, schema=ANY, actions=ANY,
    expires_at=TIME.or_null(),
)  # fmt: skip
SNAPSHOT = needed(values=OBJECT, level=COUNT) | optional(
    sources=OBJECT, refs=OBJECT, shown=OBJECT, ends=LIST, deferred=LIST, absorbed=LIST
)

ATTEMPT = needed(attempt=COUNT)
EVENTS: Mapping[str, Fields] = {
    "dispatch": ATTEMPT | needed(worker=TEXT, deadline=TIME),
    "waiting": needed(reason=TEXT) | optional(until=TIME, due_at=TIME),
    "turn": needed(turn=COUNT, answer=ANY),
    "accepted": optional(lease_ms=PLACE),
    "rebound": ATTEMPT | needed(worker=TEXT, to=TEXT.or_null()),
    "retry": ATTEMPT | needed(due_at=TIME) | optional(usage=OBJECT, counts=ANY, failed_by=TEXT),
    "run": needed(status=one_of(RunStatus)),
    "injection": needed(id=TEXT, node=TEXT, updates=OBJECT, actor=TEXT, branch=PLACE, jumps=COUNT),
    "injected": needed(id=TEXT),
}
"""What the bodies of events have to hold that reading a run relies on; they may hold more."""
