"""Small values for the tests of stores: runs, commits, events, each with what a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.dead_letters import DeadLetter
from engine.model import Ref, RunHead, RunId, RunStatus, TaskId, make_ref
from engine.notices import Notice
from engine.ports import Batch, CommitRow, EventRow, Expected, InterruptRow, TimerRow, WorkerRow, WorkflowRow

NOW = 1_760_000_000_000


def run(key: int, **fields: Any) -> RunHead:
    """A run that has no commits."""
    given = {
        "id": RunId(f"run-{key:04d}"),
        "workflow_id": "review",
        "workflow_version": 1,
        "status": RunStatus.QUEUED,
        "head": Ref(0),
        "created_at": NOW + key,
        "updated_at": NOW + key,
    }
    return RunHead(key=key, **{**given, **fields})


def commit(key: int, seq: int, **fields: Any) -> CommitRow:
    """The row of a commit on a straight line."""
    before = make_ref(key, seq - 1) if seq > 1 else None
    given = {
        "branch": 1,
        "parent": before,
        "kind": "node" if before else "start",
        "node": f"step{seq % 3}" if before else None,
        "task_id": TaskId(f"task-{seq}") if before else None,
        "level": seq - 1,
        "at": NOW + seq,
        "status": "running",
        "actor": "engine",
        "version": seq - 1,
        "epoch": 0,
        "dominator": before,
        "base": None,
        "body": b'{"writes":[["seq",%d]]}' % seq,
    }
    return CommitRow(run_key=key, seq=seq, **{**given, **fields})


def event(key: int, n: int, **fields: Any) -> EventRow:
    """Progress of a task."""
    given = {"seq": 1, "at": NOW + n, "kind": "progress", "task_id": TaskId("task-1"), "body": {"done": n}}
    return EventRow(run_key=key, n=n, **{**given, **fields})


def timer(key: int, task: str, kind: str = "timeout", due_at: int = NOW) -> TimerRow:
    return TimerRow(run_key=key, task_id=TaskId(task), kind=kind, due_at=due_at)


def interrupt(name: str, key: int = 1, **fields: Any) -> InterruptRow:
    """An open interrupt."""
    given = {
        "run_id": f"run-{key:04d}",
        "task_id": TaskId("task-1"),
        "node": "ask",
        "kind": "node",
        "message": "Is this right?",
        "schema": {"type": "boolean"},
        "actions": None,
        "status": "open",
        "created_at": NOW,
    }
    return InterruptRow(id=name, run_key=key, **{**given, **fields})


def workflow(of: str = "review", version: int = 1, /, **fields: Any) -> WorkflowRow:
    given = {
        "document": {"id": of, "nodes": [{"id": "a", "type": "task"}]},
        "status": "draft",
        "source": "api",
        "created_at": NOW + version,
        "updated_at": NOW + version,
    }
    return WorkflowRow(id=of, version=version, **{**given, **fields})


def worker(name: str = "writer", **fields: Any) -> WorkerRow:
    return WorkerRow(id=name, **{"protocol": "webhook", "url": "http://127.0.0.1:9", **fields})


def created(*heads: RunHead, **rest: Any) -> Batch:
    """A batch that creates runs."""
    return Batch(created=list(heads), **rest)


def step(head: RunHead, seq: int, **fields: Any) -> Batch:
    """A batch with the next commit of one run, the `seq`-th; `fields` change its head."""
    after = replace(head, head=make_ref(head.key, seq), status=RunStatus.RUNNING, updated_at=NOW + seq)
    return Batch(
        expected={head.key: Expected(version=seq - 1, epoch=head.epoch)},
        commits=[commit(head.key, seq)],
        heads={head.key: replace(after, **fields)},
    )


def letter(key: int, seq: int, **fields: Any) -> DeadLetter:
    """A task that has failed at a commit."""
    given = {"workflow_id": "review", "node": "a", "task_id": TaskId(f"task-{seq}"), "index": None, "attempt": 1}
    rest = {"worker": None, "error": {"code": "boom", "message": "it broke"}, "created_at": NOW + seq}
    of = {"id": f"run-{key:04d}.{seq}", "run_key": key, "run_id": RunId(f"run-{key:04d}"), "seq": seq}
    return DeadLetter(**{**of, **given, **rest, **fields})


def notice(key: int, seq: int, **fields: Any) -> Notice:
    """That a run has completed with a commit, told to somebody."""
    of = {"id": f"run-{key:04d}-{seq}", "run_key": key, "run_id": RunId(f"run-{key:04d}"), "workflow_id": "review"}
    given = {"event": "completed", "url": "http://127.0.0.1:9/told", "body": b'{"type":"run.completed"}'}
    times = {"created_at": NOW + seq, "since": NOW + seq, "due_at": NOW + seq}
    return Notice(**{**of, **given, **times, **fields})
