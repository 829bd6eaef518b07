"""Answers that are kept over runs: the same node of a workflow, asked the same, is not asked again for a while."""

from __future__ import annotations

from typing import Any, Protocol

from engine.codec import digest
from engine.errors import NodeFailure
from engine.model import Commit, Kind, Task
from engine.nodes._common import text_of
from engine.run import Run
from engine.template import Template
from engine.values import dataclass
from engine.views import view_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRule:
    """How long an answer counts, and what it is kept under (None: the input of the task)."""

    ttl_ms: int
    key: Template | None
    node: str
    """The digest of the node as it is written: another node has answers of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer that is kept until `expires_at` (milliseconds since the epoch)."""

    key: str
    answer: Any
    worker: str | None
    expires_at: int


class Cache(Protocol):
    """The part of the store that keeps answers; they are written with the commits that they come from."""

    async def kept_answer(self, key: str, now: int) -> Kept | None:
        """The answer that is kept under a key and counts still."""


def key_of(run: Run, task: Task, input_hash: str) -> str | None:
    """What the answer to a task is kept under; None where its node keeps none. Raises NodeFailure."""
    rule = run.node_of(task).cache
    if rule is None:
        return None
    by = input_hash if rule.key is None else text_of(rule.key, view_of(run, task).names())
    return digest([run.frames.of(task).graph.workflow_id, rule.node, rule.key is not None, by])


def check_key(run: Run, task: Task) -> None:
    """Raise NodeFailure where what the answer to a task is kept under cannot be worked out."""
    if (rule := run.node_of(task).cache) is not None and rule.key is not None:
        text_of(rule.key, view_of(run, task).names())


def kept_by(run: Run, commit: Commit) -> Kept | None:
    """The answer that a commit, which `run` has not taken yet, gives to be kept."""
    task = commit.task
    if task is None or commit.kind not in (Kind.NODE, Kind.ITEM) or commit.error is not None or commit.answer is None:
        return None
    if commit.cached or commit.reused or commit.input_hash is None or (rule := run.node_of(task).cache) is None:
        return None
    try:
        key = key_of(run, task, commit.input_hash)
    except NodeFailure:
        return None
    assert key is not None
    return Kept(key=key, answer=commit.answer, worker=commit.worker, expires_at=commit.at + rule.ttl_ms)
