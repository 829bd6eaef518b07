"""Which runs refer to which artifacts, as the rows of a batch say it."""

from __future__ import annotations

from engine.artifacts import MARK, references_in
from engine.codec import write
from engine.ports import Batch

_TOLD = frozenset({"turn", "late", "retry"})
"""The events that hold what a worker answered."""


def referred(batch: Batch) -> set[tuple[int, str]]:
    """The pairs of a run's key and an artifact's SHA-256 that are in the commits of a batch, in answers that it notes,
    and in the inputs of new runs. A commit without any costs one look through its body."""
    found = {(row.run_key, name) for row in batch.commits if MARK in row.body for name in references_in(row.body)}
    for event in batch.events:
        if event.kind in _TOLD:
            found.update((event.run_key, name) for name in references_in(write(event.body)))
    for head in batch.created:
        if head.input:
            found.update((head.key, name) for name in references_in(write(head.input)))
    return found
