"""Checkpoints and runs set side by side, read from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.compare import Pair, Segment, aligned, ended, first_difference, parted, usage_of
from engine.driver.lines import Lines, Point
from engine.model import Commit, Kind, TaskStatus
from engine.patch import make_patch
from engine.render import address_of, output_of

ONLY = {"removed": "only_a", "added": "only_b"}
"""What a comparison calls the changes, which for it have no direction."""


class Comparison:
    """Compares what is durable."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    async def diff(self, before: str, after: str) -> dict[str, Any]:
        """What changes from one checkpoint to another: a patch of the state, and the tasks. Raises NotFound."""
        one, other = await self.lines.checkpoint(before), await self.lines.checkpoint(after)
        patch = await self._patch(one, other)
        _, before_only, after_only = parted(await self.lines.segments(one), await self.lines.segments(other))
        pairs = aligned(await self._ended(before_only), await self._ended(after_only))
        tasks = [await self._task(pair, "from", "to", {}) for pair in pairs if pair.change != "same"]
        return {"from": one.id, "to": other.id, "patch": patch, "tasks": tasks}

    async def compare(self, a: str, b: str) -> dict[str, Any]:
        """Two checkpoints, or the heads of two runs: where they part, and all tasks from there on. Raises NotFound."""
        one, other = await self.lines.point(a), await self.lines.point(b)
        ancestor, *rest = parted(await self.lines.segments(one), await self.lines.segments(other))
        mine, theirs = [await self.lines.commits(segments) for segments in rest]
        pairs = aligned(ended(mine), ended(theirs))
        used = usage_of(mine), usage_of(theirs)
        return {
            "a": self._end(one),
            "b": self._end(other),
            "common_ancestor": None if ancestor is None else await self.lines.name(ancestor),
            "first_divergence": await self._divergence(mine, theirs, pairs),
            "tasks": [await self._task(pair, "a", "b", ONLY) for pair in pairs],
            "patch": await self._patch(one, other),
            "usage": {"a": used[0].as_json(), "b": used[1].as_json(), "delta": used[1].minus(used[0]).as_json()},
        }

    @staticmethod
    def _end(point: Point) -> dict[str, Any]:
        head = point.head
        return {
            "run_id": head.id,
            "checkpoint_id": point.id,
            "workflow_id": head.workflow_id,
            "workflow_version": head.workflow_version,
        }

    async def _divergence(self, one: list[Commit], other: list[Commit], pairs: list[Pair]) -> dict[str, Any] | None:
        """The first commits that only one line has, and the first task that differs."""
        if not one and not other:
            return None
        found = first_difference(pairs)
        return {
            "a": await self._brief(one),
            "b": await self._brief(other),
            "address": None if found is None else address_of(found.task),
        }

    async def _brief(self, commits: list[Commit]) -> dict[str, Any] | None:
        if not commits:
            return None
        first = commits[0]
        node = None if first.task is None else first.task.node
        return {"checkpoint_id": await self.lines.name(first.ref), "kind": first.kind, "node": node}

    async def _patch(self, one: Point, other: Point) -> list[dict[str, Any]]:
        states = [(await self.lines.at(point)).history.shown() for point in (one, other)]
        return make_patch(*states)

    async def _ended(self, segments: Sequence[Segment]) -> list[Commit]:
        return ended(await self.lines.commits(segments))

    async def _task(self, pair: Pair, one: str, other: str, words: Mapping[str, str]) -> dict[str, Any]:
        task = pair.task
        return {
            "address": address_of(task),
            "node": task.node,
            "index": task.index,
            "change": words.get(pair.change, pair.change),
            "same_input": pair.inputs,
            "same_output": pair.outputs,
            one: await self._side(pair.one),
            other: await self._side(pair.other),
        }

    async def _side(self, commit: Commit | None) -> dict[str, Any] | None:
        """What a task was on one line."""
        if commit is None or commit.task is None:
            return None
        failed = commit.kind is Kind.FAILURE
        return {
            "id": commit.task.id,
            "checkpoint_id": await self.lines.name(commit.ref),
            "status": commit.task_status or (TaskStatus.FAILED if failed else TaskStatus.COMPLETED),
            "worker_id": commit.worker,
            "attempt": commit.attempt,
            "input_hash": commit.input_hash,
            "output": output_of(commit.answer),
            "chosen": commit.chosen,
            "error": None if commit.error is None else commit.error.as_json(),
            "usage": commit.spent.plus(commit.usage).as_json(),
        }
