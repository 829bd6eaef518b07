"""Who wrote a place in the state of a run, read from the store over branches and forks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.blame import Change, changes, first_value, fixed, folded_order, is_write, tied, updates_of
from engine.codec import write
from engine.driver.cursors import no_cursor, numbers_in
from engine.driver.lines import Lines, Point
from engine.driver.pace import Pace
from engine.errors import Invalid, UnknownKey
from engine.graph import Graph, StateKey
from engine.missing import MISSING
from engine.model import Commit
from engine.paths import Path, PathError, lookup, state_path
from engine.record import Writing, decode, writing
from engine.render import address_of
from engine.state import folded
from engine.times import rfc3339


class Blame:
    """Tells who wrote what is durable."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    async def of(
        self, run_id: str, *, path: str, checkpoint: str | None, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """What stands at a path of the state at a checkpoint (None: the newest), and a page of the commits that wrote
        it, the last one first. Raises NotFound, Invalid, or UnknownKey."""
        point, start = await self._point(run_id, checkpoint, cursor)
        graph = await self.lines.loader.graph(point.head.workflow_id, point.head.workflow_version)
        key, inside = _place(graph, path)
        value, found = await self._changes(graph, key, inside, await self._writers(graph, key, point))
        end = len(found) - start
        if end < 0:
            raise no_cursor()
        some = found[max(end - limit, 0) : end]
        return {
            "run_id": point.head.id,
            "checkpoint_id": point.id,
            "path": path,
            "exists": value is not MISSING,
            "value": None if value is MISSING else value,
            "items": await self._shapes(some),
            "next_cursor": f"{point.seq}.{start + limit}" if end > limit else None,
        }

    async def _point(self, run_id: str, checkpoint: str | None, cursor: str | None) -> tuple[Point, int]:
        """The checkpoint that is looked at, and how many of its changes were shown: a cursor stays with its checkpoint
        while the run goes on."""
        newest = await self.lines.newest(run_id)
        point = newest if checkpoint is None else await self.lines.checkpoint(checkpoint, newest.head.id)
        if cursor is None:
            return point, 0
        seq, start = numbers_in(cursor, 2)
        if not 1 <= seq <= newest.seq or (checkpoint is not None and seq != point.seq):
            raise no_cursor()
        return Point(newest.head, seq), start

    async def _writers(self, graph: Graph, key: StateKey, point: Point) -> list[Writing]:
        """The commits that wrote a key, in the order in which they are folded."""
        pace, found = Pace(), list[Writing]()
        for segments in await self.lines.stretches(point):
            some = list[Writing]()
            for row in await self.lines.briefs(segments, write(key.name)):
                if is_write(one := writing(row), key.name):
                    some.append(one)
                    await pace.rest()
            found += folded_order(graph, some, await self.lines.rows(segments) if tied(graph, some) else ())
        return [one for one in found[-1:] if one.ref == point.ref] if key.ephemeral else found

    async def _changes(
        self, graph: Graph, key: StateKey, path: Path, writers: list[Writing]
    ) -> tuple[Any, list[Change]]:
        """What stands at a path inside the value of a key, and what each commit did to it."""
        first, pace, found = first_value(graph, key), Pace(), list[Change]()
        place, value = path, first
        if path and key.reducer.stable is not None:
            place = fixed(key, folded(key, first, updates_of(key, writers)), path)
        for running, change in changes(key, place, first, writers):
            value = running.value
            if change is not None:
                found.append(change)
            await pace.rest()
        return MISSING if value is MISSING else lookup(value, path), found

    async def _shapes(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        """Changes as they are shown, the last one first."""
        rows = await self.lines.store.commits_at([change.writing.ref for change in changes])
        commits = {commit.ref: commit for commit in map(decode, rows)}
        return [await self._shape(change, commits[change.writing.ref]) for change in reversed(changes)]

    async def _shape(self, change: Change, commit: Commit) -> dict[str, Any]:
        name, task = await self.lines.name(commit.ref), commit.task
        return {
            "checkpoint_id": name,
            "run_id": name.rpartition(".")[0],
            "kind": commit.kind,
            "node": None if task is None else task.node,
            "address": None if task is None else address_of(task),
            "task_id": None if task is None else task.id,
            "worker_id": commit.worker,
            "actor": commit.actor,
            "at": rfc3339(commit.at),
            "effect": change.effect,
            "removed": change.value is MISSING,
            "value": None if change.value is MISSING else change.value,
        }


def _place(graph: Graph, text: str) -> tuple[StateKey, Path]:
    """The key of the state that a path begins with, and the path inside its value. Raises Invalid or UnknownKey."""
    try:
        first, *rest = state_path(text)
    except PathError as error:
        raise Invalid(f"path: {error}", "path.invalid") from None
    key = graph.state.get(str(first))
    if key is None:
        raise UnknownKey(str(first), sorted(graph.state))
    return key, tuple(rest)
