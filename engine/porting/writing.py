"""The lines of a file, written: each a JSON object with one key that says what it is of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from orjson import Fragment

from engine.codec import read, write
from engine.kinds import BY_REQUEST
from engine.model import Kind, RunHead
from engine.porting.refs import Move, moved_body, moved_snapshot, short
from engine.ports import CommitRow, EventRow, InterruptFate, LetterFate, Moment, TimerRow

FORMAT, VERSION = "clew-run", 1
ALWAYS_WHOLE = frozenset({Kind.FORK, Kind.REPLAY})
"""The kinds of commits that may hold refs to their own run which are no plain numbers."""


class Lines:
    """Writes the lines of one file, and what its last one says of the others."""

    def __init__(self) -> None:
        self._hash, self._count = hashlib.sha256(), 0

    def line(self, kind: str, value: Mapping[str, Any]) -> bytes:
        """One line, with its end."""
        return self.bare({kind: value})

    def bare(self, value: Mapping[str, Any]) -> bytes:
        """The first line, with its end."""
        text = write(value) + b"\n"
        self._hash.update(text)
        self._count += 1
        return text

    def end(self) -> bytes:
        """The last line: how many came before it, and the SHA-256 of their bytes."""
        return self.line("end", {"lines": self._count, "sha256": self._hash.hexdigest()})


def header(head: RunHead, first_version: int, runs: int) -> dict[str, Any]:
    """What the first line says: `first_version` is the one that the first commit of all belongs to, `runs` is how many
    the file has, with those that the run was forked from."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "run_id": head.id,
        "workflow_id": head.workflow_id,
        "first_version": first_version,
        "runs": runs,
    }


def workflow(version: int, document: Any) -> dict[str, Any]:
    """A version of the workflow."""
    return {"version": version, "document": document}


FIXED = (
    "id", "origin_id", "created_at", "input", "config", "interrupt_before", "interrupt_after", "metadata", "tags",
    "name",
)  # fmt: skip
"""The fields of a run's row that never change."""
PLACE = ("priority", "concurrency_key", "start_at")
"""Those of them that say its place among other runs; they are written where they say something."""
MOVING = ("status", "branch", "epoch", "task_count", "updated_at", "finished_at")


def ancestor(head: RunHead, version: int, commits: int, move: Move) -> dict[str, Any]:
    """A run that others of the file were forked from: as much of it as its first commits say. `version` is that of its
    workflow after the last of them."""
    return {
        **{name: getattr(head, name) for name in FIXED},
        **{name: getattr(head, name) for name in PLACE if getattr(head, name)},
        **({} if head.trigger == BY_REQUEST else {"trigger": head.trigger}),
        **({} if head.seat is None else {"session": {"id": head.seat.session, "place": head.seat.place}}),
        "parent": None if head.parent is None else move(head.parent),
        "workflow_version": version,
        "commits": commits,
    }


def run(moment: Moment, commits: int, move: Move) -> dict[str, Any]:
    """The run itself. Whether this store holds it plays no part."""
    head = moment.head
    return {
        **ancestor(head, head.workflow_version, commits, move),
        **{name: getattr(head, name) for name in MOVING},
        "error": None if head.error is None else head.error.as_json(),
        "usage": head.usage.as_json(),
        "events": moment.last_event,
    }


def interrupt(fate: InterruptFate) -> dict[str, Any]:
    """What became of an interrupt."""
    return {name: getattr(fate, name) for name in ("id", "status", "resolved_at", "assignee", "claimed_at")}


def dead_letter(fate: LetterFate) -> dict[str, Any]:
    """What became of a dead letter."""
    return {name: getattr(fate, name) for name in ("seq", "worker", "status", "redriven_at")}


def timer(row: TimerRow) -> dict[str, Any]:
    """A timer that is set."""
    return {name: getattr(row, name) for name in ("task_id", "kind", "due_at")}


def event(row: EventRow) -> dict[str, Any]:
    """Something that happened between commits."""
    return {name: getattr(row, name) for name in ("n", "seq", "at", "kind", "task_id", "body")}


PLAIN = ("seq", "branch", "kind", "level", "at", "status", "actor", "epoch")


def commit(row: CommitRow, move: Move, *, alone: bool) -> dict[str, Any]:
    """A commit, without what its body says again. In a file of one run (`alone`) few bodies have refs to move."""
    found: dict[str, Any] = {name: getattr(row, name) for name in PLAIN}
    for name in ("parent", "dominator", "base"):
        found[name] = short(getattr(row, name), row.run_key, move)
    as_it_is = alone and row.kind not in ALWAYS_WHOLE
    found["body"] = Fragment(row.body) if as_it_is else moved_body(read(row.body), move)
    if row.snapshot is not None:
        found["snapshot"] = Fragment(row.snapshot) if alone else moved_snapshot(read(row.snapshot), move)
    return {name: value for name, value in found.items() if value is not None}
