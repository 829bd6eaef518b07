"""What a fork or replay may take over instead of asking anew: the answers of the line that it came from (3.4)."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from engine.address import recalled_as
from engine.errors import NodeFailure
from engine.model import Commit, Kind, Task, TaskId
from engine.plugins import node_types
from engine.run import Run
from engine.values import dataclass
from engine.view import Pause
from engine.views import view_of


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer that was given on another line: to which input, by which worker, whether people had a part in it."""

    input_hash: str
    answer: Any
    worker: str | None
    by_human: bool = False


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
    _asked: set[TaskId] = field(default_factory=set)

    def begin(self, run: Run) -> None:
        """Take note of what is open where the line begins, which is `run`."""
        self._asked.update(name for name, one in run.progress.items() if one.resumes or one.question is not None)

    def note(self, run: Run, commit: Commit) -> None:
        """Take note of a commit of the other line; `run` is that line's, right before the commit."""
        task = commit.task
        if commit.interrupt is not None and commit.worker_asks:
            self._asked.add(commit.interrupt.task_id)
        if task is None or commit.kind not in (Kind.NODE, Kind.ITEM) or commit.error is not None:
            return
        if commit.resolved:
            return  # nobody answered: it expired
        if commit.input_hash is None:
            self._note_value(run, task, commit)
            return
        by_human = commit.by_human or task.id in self._asked
        if self.interrupts or not by_human:
            found = Recorded(commit.input_hash, commit.answer, commit.worker, by_human)
            self.answers[recalled_as(run, task)] = found

    def _note_value(self, run: Run, task: Task, commit: Commit) -> None:
        """Take note of what a person answered to a node that asks one. The question follows from what the task sees."""
        if not self.interrupts or commit.answer is None:
            return
        node = run.node_of(task)
        try:
            asked = node_types()[node.type].enter(node, view_of(run, task))
        except NodeFailure:
            return
        if isinstance(asked, Pause):
            self.values[recalled_as(run, task)] = RecordedValue(asked.message, asked.schema, commit.answer)

    def answer_to(self, run: Run, task: Task, input_hash: str) -> Recorded | None:
        """The answer that was given to the same input at the same address."""
        found = self.answers.get(recalled_as(run, task))
        return found if found is not None and found.input_hash == input_hash else None

    def value_for(self, run: Run, task: Task, message: str, schema: Any) -> RecordedValue | None:
        """What was answered to the same question at the same address."""
        found = self.values.get(recalled_as(run, task))
        return found if found is not None and (found.message, found.schema) == (message, schema) else None
