"""Checkpoints and runs set side by side, read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from engine.compare import Pair, Segment, aligned, first_difference, parted, usage_of
from engine.driver.cursors import no_cursor, numbers_in
from engine.driver.lines import Lines, Point
from engine.driver.pace import Pace
from engine.model import RunId
from engine.outline import Outline, ended
from engine.patch import make_patch
from engine.render import checkpoint_id, output_of
from engine.values import dataclass, replace

T = TypeVar("T")
SLICE = 50
MANY = 1000
"""So many tasks are told at a time, where nothing else is asked for."""
ONLY = {"removed": "only_a", "added": "only_b"}
"""What a comparison calls the changes, which for it have no direction."""


class Comparison:
    """Compares what is durable."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    async def diff(self, before: str, after: str, limit: int = MANY, cursor: str | None = None) -> dict[str, Any]:
        """What changes from one checkpoint to another: a patch of the state, and at most `limit` of the tasks. Raises
        NotFound, and Invalid for a cursor that is none."""
        one, other = await self.lines.checkpoint(before), await self.lines.checkpoint(after)
        (start,) = numbers_in("0" if cursor is None else cursor, 1)
        patch = await self._patch(one, other)
        _, *rest = parted(await self.lines.segments(one), await self.lines.segments(other))
        mine, theirs = [await self._outlines(segments) for segments in rest]
        shapes = _Shapes("from", "to", {}, await self._names(*rest))
        pairs = await self._paced(pair for pair in aligned(ended(mine), ended(theirs)) if pair.change != "same")
        end = start + limit
        return {
            "from": one.id,
            "to": other.id,
            "patch": patch,
            "tasks": await self._paced(map(shapes.task, pairs[start:end])),
            "next_cursor": str(end) if len(pairs) > end else None,
        }

    async def compare(self, a: str, b: str, limit: int = MANY, cursor: str | None = None) -> dict[str, Any]:
        """Two checkpoints, or the heads of two runs: where they part, and at most `limit` of the tasks from there on.
        A cursor stays with the checkpoints that it was given for. Raises NotFound, and Invalid for one that is none."""
        one, other = await self.lines.point(a), await self.lines.point(b)
        mine_then, theirs_then, start = numbers_in(cursor, 3) if cursor is not None else (one.seq, other.seq, 0)
        one, other = _as_then(a, one, mine_then), _as_then(b, other, theirs_then)
        ancestor, *rest = parted(await self.lines.segments(one), await self.lines.segments(other))
        mine, theirs = [await self._outlines(segments) for segments in rest]
        shapes = _Shapes("a", "b", ONLY, await self._names(*rest))
        pairs = await self._paced(aligned(ended(mine), ended(theirs)))
        used, end = (usage_of(mine), usage_of(theirs)), start + limit
        return {
            "a": _end(one),
            "b": _end(other),
            "common_ancestor": None if ancestor is None else await self.lines.name(ancestor),
            "first_divergence": shapes.divergence(mine, theirs, pairs),
            "tasks": await self._paced(map(shapes.task, pairs[start:end])),
            "next_cursor": f"{one.seq}.{other.seq}.{end}" if len(pairs) > end else None,
            "patch": await self._patch(one, other),
            "usage": {"a": used[0].as_json(), "b": used[1].as_json(), "delta": used[1].minus(used[0]).as_json()},
        }

    async def _patch(self, one: Point, other: Point) -> list[dict[str, Any]]:
        states = [(await self.lines.at(point)).history.shown() for point in (one, other)]
        return make_patch(*states)

    async def _outlines(self, segments: Sequence[Segment]) -> list[Outline]:
        return await self._paced(map(Outline, await self.lines.briefs(segments)))

    async def _names(self, *lines: Sequence[Segment]) -> dict[int, RunId]:
        """The ids of the runs that lines go through."""
        return {part.run_key: await self.lines.run_name(part.run_key) for line in lines for part in line}

    @staticmethod
    async def _paced(made: Iterable[T]) -> list[T]:
        """All that is made, with time for others while it is."""
        pace, found = Pace(), list[T]()
        for one in made:
            found.append(one)
            if not len(found) % SLICE:
                await pace.rest()
        return found


def _as_then(text: str, newest: Point, seq: int) -> Point:
    """What is compared as it was when its first page was given: an older head of a run. Raises Invalid."""
    if seq == newest.seq:
        return newest
    if not 1 <= seq < newest.seq or text != newest.head.id:
        raise no_cursor()
    return replace(newest, seq=seq)


def _end(point: Point) -> dict[str, Any]:
    head = point.head
    return {
        "run_id": head.id,
        "checkpoint_id": point.id,
        "workflow_id": head.workflow_id,
        "workflow_version": head.workflow_version,
    }


@dataclass(frozen=True, slots=True)
class _Shapes:
    """What is shown of tasks on two lines, `one` and `other`; `words` are those that it has for changes, `names` the
    ids of the runs."""

    one: str
    other: str
    words: Mapping[str, str]
    names: Mapping[int, RunId]

    def task(self, pair: Pair) -> dict[str, Any]:
        """A task on both lines."""
        one, other, inputs, outputs = pair
        task, change = pair.task, pair.change
        return {
            "address": task.address,
            "node": task.node,
            "index": task.item,
            "change": self.words.get(change, change),
            "same_input": inputs,
            "same_output": outputs,
            self.one: None if one is None else self._side(one),
            self.other: None if other is None else self._side(other),
        }

    def _side(self, ended: Outline) -> dict[str, Any]:
        """What a task was on one line."""
        row, body = ended.row, ended.body
        told = body.get
        answer = told("answer")
        return {
            "id": row.task_id,
            "checkpoint_id": self._name(ended),
            "status": ended.status,
            "worker_id": told("worker"),
            "attempt": told("attempt", 1),
            "input_hash": told("input_hash"),
            "output": None if answer is None else output_of(answer),
            "chosen": told("chosen"),
            "error": told("error"),
            "usage": ended.used,
        }

    def divergence(self, one: Sequence[Outline], other: Sequence[Outline], pairs: list[Pair]) -> dict[str, Any] | None:
        """The first commits that only one line has, and the first task that differs."""
        if not one and not other:
            return None
        found = first_difference(pairs)
        address = None if found is None else found.task.address
        return {"a": self._brief(one), "b": self._brief(other), "address": address}

    def _brief(self, outlines: Sequence[Outline]) -> dict[str, Any] | None:
        if not outlines:
            return None
        first = outlines[0]
        row = first.row
        return {"checkpoint_id": self._name(first), "kind": row.kind, "node": row.node}

    def _name(self, commit: Outline) -> str:
        return checkpoint_id(self.names[commit.row.run_key], commit.row.seq)
