"""What the lines of a file say, in the values of a store."""

from __future__ import annotations

from typing import Any

from engine.dead_letters import DeadLetter
from engine.model import RunHead, RunId
from engine.ports import CommitRow, EventRow, InterruptRow, TimerRow
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Opened:
    """The first line: what the file is about."""

    run_id: RunId
    workflow_id: str


@dataclass(frozen=True, slots=True)
class Brought:
    """A version of the workflow."""

    version: int
    document: Any


@dataclass(frozen=True, slots=True)
class Begun:
    """A run whose commits come now. It has no key yet, and its `parent` is the number of its commit in the run before.
    `last` where it is the one that the file is about."""

    head: RunHead
    parent: int | None
    commits: int
    last: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """A commit, with what came of the interrupt that it opened and of the dead letter that it made."""

    row: CommitRow
    interrupt: InterruptRow | None
    dead_letter: DeadLetter | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The last line: all is there, and fits."""


Item = Opened | Brought | Begun | Committed | TimerRow | EventRow | Ended
