"""What an engine has done since it began, counted by the batch once each is durable."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.driver.turn import Turn
from engine.model import Kind, RunStatus

BEGIN = frozenset({Kind.START.value, Kind.FORK.value})


@dataclass(slots=True, eq=False)
class Tally:
    """Only ever grows. `runs` counts how often runs came to a status, `steps` checkpoints by kind, `notes` what
    happened between them, `failures` tasks that failed for good, whatever followed from it; `seconds` is the time in
    which `batches` were written."""

    started: int = 0
    runs: Counter[RunStatus] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    batches: int = 0
    seconds: float = 0.0
    lost: int = 0
    """Batches that the store did not take."""

    def take(self, turn: Turn, seconds: float) -> None:
        """Count a turn that is durable."""
        batch = turn.batch
        if batch.empty:
            return
        self.batches += 1
        self.seconds += seconds
        self.started += sum(row.seq == 1 and row.kind in BEGIN for row in batch.commits)
        self.runs.update(turn.moved)
        self.steps.update([row.kind for row in batch.commits])
        self.notes.update([row.kind for row in batch.events])
        self.failures += len(batch.dead_letters)
