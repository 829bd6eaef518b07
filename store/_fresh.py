"""The rules of batches that all stores share: every run must stand where the batch was planned; what of it moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter

from engine.model import RunHead
from engine.ports import Batch
from engine.values import replace
from store._errors import stale

Standing = tuple[int, int]
"""A run's version (its number of commits) and lease epoch."""

_MOVES = (
    "workflow_version", "status", "head", "branch", "epoch", "error", "usage", "task_count", "updated_at",
    "finished_at", "reason",
)  # fmt: skip
_LISTS = tuple(found.name for found in fields(Batch) if found.default_factory is list)
_fixed = attrgetter(*(name for name in RunHead.__dataclass_fields__ if name not in _MOVES))
_moving = attrgetter(*_MOVES)


def touched(batch: Batch) -> set[int]:
    """The keys of the runs that have to be there already."""
    keys = {row.run_key for row in batch.commits}
    keys.update(batch.expected, batch.heads, batch.needed, batch.holds, batch.seats, batch.pushes)
    return keys.difference(head.key for head in batch.created)


def versions_after(batch: Batch, standing: Mapping[int, Standing]) -> dict[int, int]:
    """The version of each run after the batch, from where the touched runs stand.

    Raises StaleCommit when a run is gone, has another version or epoch than expected, or when its commits are not
    the next ones.
    """
    known = {**standing, **{head.key: (0, head.epoch) for head in batch.created}}
    for key, expected in batch.expected.items():
        if known.get(key) != (expected.version, expected.epoch):
            raise stale(key, known.get(key), f"version {expected.version} and epoch {expected.epoch} are expected")
    for key in (*batch.heads, *batch.needed, *batch.holds, *batch.seats, *batch.pushes):
        if key not in known:
            raise stale(key, None, "its head was to move, or its history is needed")
    versions = {key: version for key, (version, _) in known.items()}
    for row in batch.commits:
        if versions.get(row.run_key) != row.seq - 1:
            raise stale(row.run_key, known.get(row.run_key), f"commit {row.seq} is not its next")
        versions[row.run_key] = row.seq
    return versions


def joined(batches: Iterable[Batch]) -> Batch:
    """One batch that does what several do one after another."""
    whole = Batch()
    for batch in batches:
        whole.expected = {**batch.expected, **whole.expected}
        for name in _LISTS:
            getattr(whole, name).extend(getattr(batch, name))
        whole.heads.update(batch.heads)
        whole.holds.update(batch.holds)
        whole.seats.update(batch.seats)
        whole.pushes.update(batch.pushes)
        whole.sessions.update(batch.sessions)
    return whole


def moved(was: RunHead, head: RunHead) -> RunHead:
    """The run as `head` says, but for what was settled when it was created."""
    if _fixed(was) == _fixed(head):
        return head
    return replace(was, **dict(zip(_MOVES, _moving(head), strict=True)))
