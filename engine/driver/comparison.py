"""Checkpoints and runs set side by side, read from the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.compare import Pair, Segment, aligned, ended, parted
from engine.driver.lines import Lines, Point
from engine.model import Commit, Kind, TaskStatus
from engine.patch import make_patch
from engine.render import address_of, output_of


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
        tasks = [await self._task(pair, "from", "to") for pair in pairs if pair.change != "same"]
        return {"from": one.id, "to": other.id, "patch": patch, "tasks": tasks}

    async def _patch(self, one: Point, other: Point) -> list[dict[str, Any]]:
        states = [(await self.lines.at(point)).history.shown() for point in (one, other)]
        return make_patch(*states)

    async def _ended(self, segments: Sequence[Segment]) -> list[Commit]:
        return ended(await self.lines.commits(segments))

    async def _task(self, pair: Pair, one: str, other: str) -> dict[str, Any]:
        task = pair.task
        return {
            "address": address_of(task),
            "node": task.node,
            "index": task.index,
            "change": pair.change,
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
            "usage": commit.usage.as_json(),
        }
