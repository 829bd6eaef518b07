"""What a fork or replay may take over instead of asking anew: the answers of the line that it came from (3.4)."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from engine.address import recalled_as
from engine.model import Commit, Kind, Task, TaskId
from engine.run import Run
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that was given on another line: to which input, by which worker."""

    input_hash: str
    answer: Any
    worker: str | None


@dataclass(frozen=True, slots=True)
class RecordedValue:
    """What a human answered on another line, to which question."""

    message: str
    schema: Any
    answer: Any


@dataclass(slots=True)
class Recall:
    """The answers of a line by the addresses of their tasks. `interrupts`: whether those of humans count too."""

    interrupts: bool = False
    answers: dict[str, Recorded] = field(default_factory=dict)
    values: dict[str, RecordedValue] = field(default_factory=dict)
    _asked: dict[TaskId, tuple[str, Any]] = field(default_factory=dict)

    def note(self, run: Run, commit: Commit) -> None:
        """Take note of a commit of the other line; `run` is that line's, right before the commit."""
        task = commit.task
        if commit.kind is Kind.INTERRUPT and commit.interrupt is not None:
            self._asked[commit.interrupt.task_id] = (commit.interrupt.message, commit.interrupt.schema)
        if task is None or commit.kind not in (Kind.NODE, Kind.ITEM) or commit.error is not None:
            return
        if commit.resolved:
            return  # nobody answered: it expired
        if task.id in self._asked:
            if self.interrupts:
                self._note_human(run, task, commit)
        elif commit.input_hash is not None:
            self.answers[recalled_as(run, task)] = Recorded(commit.input_hash, commit.answer, commit.worker)

    def _note_human(self, run: Run, task: Task, commit: Commit) -> None:
        """A human had a part in this answer: it is what an interrupt got, or what a worker said after its question."""
        if commit.input_hash is None:
            self.values[recalled_as(run, task)] = RecordedValue(*self._asked[task.id], commit.answer)
        else:
            self.answers[recalled_as(run, task)] = Recorded(commit.input_hash, commit.answer, commit.worker)

    def answer_to(self, run: Run, task: Task, input_hash: str) -> Recorded | None:
        """The answer that was given to the same input at the same address."""
        found = self.answers.get(recalled_as(run, task))
        return found if found is not None and found.input_hash == input_hash else None

    def value_for(self, run: Run, task: Task, message: str, schema: Any) -> RecordedValue | None:
        """What was answered to the same question at the same address."""
        found = self.values.get(recalled_as(run, task))
        return found if found is not None and (found.message, found.schema) == (message, schema) else None
