"""What rows say of tasks, read from the bodies as they are: thousands of commits are looked at without making them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.brief import Brief
from engine.codec import read
from engine.model import NO_USAGE, ErrorInfo, Kind, TaskStatus, Usage
from engine.render import place_of

Body = dict[str, Any]
ENDS = frozenset({Kind.NODE, Kind.ITEM})
NAMED = b'"closed":'
"""Stands in a body that names the tasks which end. No text in it can say that: quotes are escaped there."""


class Outline:
    """A commit: what its row says, and the body in it, which is read when it is asked for."""

    __slots__ = ("_body", "row")

    def __init__(self, row: Brief) -> None:
        self.row = row
        self._body: Body | None = None

    @property
    def body(self) -> Body:
        if self._body is None:
            self._body = read(self.row.body)
        return self._body

    @property
    def ends_own(self) -> bool:
        """Whether the task of a commit that ends tasks is one of them: it is where none are named."""
        return NAMED not in self.row.body or self.row.task_id in self.body.get("closed", (self.row.task_id,))

    @property
    def node(self) -> str:
        name: str = self.body["task"][1][0]
        return name

    @property
    def rounds(self) -> tuple[int, ...]:
        wave = self.body["task"][1]
        return tuple(wave[1] or ()) if len(wave) > 1 else ()

    @property
    def frame(self) -> str:
        wave = self.body["task"][1]
        return wave[2] or "" if len(wave) > 2 else ""

    @property
    def address(self) -> str:
        """What people see of the task."""
        return place_of(self.node, self.rounds, self.item, self.frame)

    @property
    def item(self) -> int | None:
        task = self.body["task"]
        found: int | None = task[5] if len(task) > 5 else None
        return found

    @property
    def level(self) -> int:
        """Its own, or, of a failure, that of its task."""
        level: int = self.body["task"][4] if self.row.level is None else self.row.level
        return level

    @property
    def key(self) -> tuple[object, ...]:
        """What its task has in common with the same activation on another line."""
        wave = self.body["task"][1]
        return wave[0], self.rounds, *wave[2:], self.item

    def goes_with(self, other: Outline) -> bool:
        """Whether the keys are the same, without making them."""
        mine, theirs = self.body["task"], other.body["task"]
        return bool(mine[1] == theirs[1] and mine[5:6] == theirs[5:6])

    @property
    def status(self) -> str:
        """How its task ended."""
        found: str | None = self.body.get("task_status")
        return found or (TaskStatus.FAILED if self.row.kind == Kind.FAILURE else TaskStatus.COMPLETED)

    @property
    def error(self) -> ErrorInfo | None:
        found = self.body.get("error")
        return None if found is None else ErrorInfo(**found)

    @property
    def usage(self) -> Usage:
        """What the commit adds to what its run has used."""
        found = self.body.get("usage")
        return NO_USAGE if found is None else Usage(**found)

    @property
    def used(self) -> Mapping[str, Any]:
        """What its task has used in all attempts."""
        spent = self.body.get("spent")
        return self.body.get("usage", UNUSED) if spent is None else Usage(**spent).plus(self.usage).as_json()


UNUSED = NO_USAGE.as_json()


def ended(outlines: Iterable[Outline]) -> list[Outline]:
    """The commits that ended tasks, one for each task, by their levels."""
    found: dict[object, Outline] = {}
    for one in outlines:
        row = one.row
        if one.ends_own if row.kind in ENDS else row.kind == Kind.FAILURE and "task" in one.body:
            found[row.task_id] = one
    return sorted(found.values(), key=_level)


def _level(one: Outline) -> int:
    level = one.row.level
    return one.level if level is None else level
