"""Lines of a file as rows of a store, in which the runs have other keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.codec import write
from engine.dead_letters import DeadLetter
from engine.kinds import BY_REQUEST
from engine.model import Commit, ErrorInfo, Ref, RunHead, RunId, RunStatus, Usage, seq_of
from engine.porting.fields import check
from engine.porting.refs import Move, moved_body, moved_snapshot, whole
from engine.porting.shapes import BODY, ERROR, INTERRUPT, SESSION, SNAPSHOT, USAGE
from engine.porting.writing import PLACE
from engine.ports import CommitRow, InterruptFate, InterruptRow, LetterFate
from engine.record import decode
from engine.session import Seat
from engine.values import replace

INNER = {"error": ERROR, "usage": USAGE, "spent": USAGE, "interrupt": INTERRUPT}


def commit_of(value: Mapping[str, Any], key: int, move: Move) -> tuple[CommitRow, Commit]:
    """The row of a commit, and the commit. Raises Unfit, Stray, and the errors of Python for a body that is none."""
    body = check(value["body"], BODY, "/commit/body")
    for name, fields in INNER.items():
        if name in body:
            check(body[name], fields, f"/commit/body/{name}")
    snapshot = value.get("snapshot")
    row = CommitRow(
        run_key=key,
        seq=value["seq"],
        branch=value["branch"],
        parent=whole(value.get("parent"), key, move),
        kind=value["kind"],
        node=None,
        task_id=None,
        level=value.get("level"),
        at=value["at"],
        status=value["status"],
        actor=value["actor"],
        version=value["seq"] - 1,
        epoch=value["epoch"],
        dominator=whole(value.get("dominator"), key, move),
        base=whole(value.get("base"), key, move),
        body=write(moved_body(body, move)),
        snapshot=None if snapshot is None else _snapshot(snapshot, move),
    )
    commit = decode(row)
    task = commit.task
    return (row if task is None else row._replace(node=task.node, task_id=task.id)), commit


def _snapshot(value: Any, move: Move) -> bytes:
    return write(moved_snapshot(check(value, SNAPSHOT, "/commit/snapshot"), move))


def _seat(value: Any) -> Seat | None:
    if value is None:
        return None
    found = check(value, SESSION, "/session")
    return Seat(session=found["id"], place=found["place"])


def head_of(value: Mapping[str, Any], workflow_id: str, above: RunHead | None) -> RunHead:
    """A run's row, without keys. Of an ancestor no more is said than what never changes."""
    stops = [None if value[name] is None else tuple(value[name]) for name in ("interrupt_before", "interrupt_after")]
    return RunHead(
        key=0,
        id=RunId(value["id"]),
        workflow_id=workflow_id,
        workflow_version=value["workflow_version"],
        status=RunStatus.RUNNING,
        head=Ref(value["commits"]),
        created_at=value["created_at"],
        updated_at=value["created_at"],
        input=value["input"],
        config=value["config"],
        interrupt_before=stops[0],
        interrupt_after=stops[1],
        origin_id=value["origin_id"],
        parent_id=None if above is None else above.id,
        metadata=value["metadata"],
        tags=tuple(value["tags"]),
        name=value["name"],
        trigger=value.get("trigger", BY_REQUEST),
        **{name: value[name] for name in PLACE if name in value},
        seat=_seat(value.get("session")),
    )


def moved_head(head: RunHead, value: Mapping[str, Any]) -> RunHead:
    """The row with what changes of a run. Raises Unfit."""
    error = None if value["error"] is None else check(value["error"], ERROR, "/run/error")
    return replace(
        head,
        status=RunStatus(value["status"]),
        branch=value["branch"],
        epoch=value["epoch"],
        task_count=value["task_count"],
        updated_at=value["updated_at"],
        finished_at=value["finished_at"],
        error=None if error is None else ErrorInfo(**error),
        usage=Usage(**check(value["usage"], USAGE, "/run/usage")),
    )


def interrupt_of(head: RunHead, commit: Commit, fate: InterruptFate) -> InterruptRow:
    """The row of the interrupt that a commit opened."""
    asked = commit.interrupt
    assert asked is not None
    return InterruptRow(
        id=asked.id, run_key=head.key, run_id=head.id, task_id=asked.task_id, node=asked.node, kind=asked.kind,
        message=asked.message, schema=asked.schema, actions=asked.actions, status=fate.status, created_at=commit.at,
        expires_at=asked.expires_at, resolved_at=fate.resolved_at, assignee=fate.assignee, claimed_at=fate.claimed_at,
    )  # fmt: skip


def dead_letter_of(head: RunHead, commit: Commit, fate: LetterFate) -> DeadLetter:
    """The dead letter that a commit made, whose task has failed."""
    task, error = commit.task, commit.error
    assert task is not None and error is not None
    return DeadLetter(
        id=f"{head.id}.{commit.seq}", run_key=head.key, run_id=head.id, seq=seq_of(commit.ref),
        workflow_id=head.workflow_id, node=task.node, task_id=task.id, index=task.index, attempt=commit.attempt or 1,
        worker=fate.worker, error=error.as_json(), status=fate.status, created_at=commit.at,
        redriven_at=fate.redriven_at,
    )  # fmt: skip
