"""Rows in brief: as much of a commit as says what became of a task."""

from __future__ import annotations

from typing import NamedTuple

from engine.model import Ref, TaskId, make_ref


class Brief(NamedTuple):
    """What is read of thousands of rows at once."""

    run_key: int
    seq: int
    kind: str
    node: str | None
    task_id: TaskId | None
    level: int | None
    body: bytes

    @property
    def ref(self) -> Ref:
        return make_ref(self.run_key, self.seq)
