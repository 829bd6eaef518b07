"""Frames: each graph that a run is in the middle of, with a state, levels and joins of its own."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.fold import Entry
from engine.frontier import Frontier, OpenCall
from engine.gates import NO_STOPS, Stops, stops_inside
from engine.graph import Graph, deep_merge
from engine.history import History
from engine.model import Commit, ErrorInfo, Kind, Nested, Task, TaskId, Updates
from engine.values import replace

ROOT = ""
"""The frame of the run itself."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """One frame. `task` is the task around it, in the frame `parent`; the root has neither."""

    id: str
    graph: Graph
    input: Mapping[str, Any]
    config: Mapping[str, Any]
    stops: Stops = NO_STOPS
    parent: str = ROOT
    task: TaskId | None = None
    turn: int = 1
    """Which turn of its loop it is."""
    attempt: int = 1
    """Which try of the whole it is."""
    updates: Updates = ()
    """What the turns before have given to the state around it."""
    began_at: int = 0
    """When the first turn began, or a fork took it up: in milliseconds since the epoch."""
    error: ErrorInfo | None = None
    """Why it has failed: of several failures the first in canonical order."""
    failed_at: Entry | None = None
    done: set[str] = field(default_factory=set)
    """The nodes in it that are done, in whatever round."""
    history: History = field(init=False)
    frontier: Frontier = field(default_factory=Frontier)

    def __post_init__(self) -> None:
        self.history = History(self.graph)

    def frozen(self) -> Nested:
        """The frame as a commit says that it goes on."""
        return Nested(frame=self.id, input=self.input, turn=self.turn, attempt=self.attempt, updates=self.updates)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do in it; one that has failed lets finish what goes on, and no more."""
        front = self.frontier
        return front.empty or (self.error is not None and not (front.tasks or front.waves or front.held))

    def fail(self, error: ErrorInfo, entry: Entry | None) -> None:
        """Note a failure; None for the place of one that ends it at once."""
        first = self.error is None or entry is None
        if not first and self.failed_at is not None and entry is not None:
            known = self.history.entries.get(self.failed_at.ref) is self.failed_at
            first = self.history.compare(entry, self.failed_at) < 0 if known else entry.order < self.failed_at.order
        if first:
            self.error, self.failed_at = error, entry


def is_inside(frame: str, outer: str) -> bool:
    """Whether a frame is another one, or in it, at whatever depth."""
    return frame == outer or outer == ROOT or frame.startswith(f"{outer}/")


def names_of(frame: str) -> list[str]:
    """The subgraph nodes around what is in a frame, outermost first, as people see them: `draft`, `draft#2`."""
    return [_shown(part) for part in frame.split("/")] if frame else []


def _shown(part: str) -> str:
    return part.partition("~")[0]


_NODE = re.compile(r"[^#\[~]+")


def nodes_of(frame: str) -> list[str]:
    """The nodes of the subgraphs around what is in a frame, outermost first."""
    return [found[0] for part in frame.split("/") if (found := _NODE.match(part))]


def graph_in(root: Graph, frame: str) -> Graph:
    """The graph of a frame of a run, whose own graph is `root`. Raises KeyError where there is none."""
    graph = root
    for part in frame.split("/") if frame else ():
        found = _NODE.match(part)
        child = None if found is None else getattr(graph.nodes[found[0]].spec, "child", None)
        if child is None:
            raise KeyError(frame)
        graph = child
    return graph


def begin_frame(frames: Frames, commit: Commit) -> None:
    """Take up the frame that a commit begins, in place of the one that its task ran before."""
    task, (_, nested) = commit.task, commit.frames[0]
    assert task is not None
    around, before = frames.of(task), frames.by_id.get(frames.nests.get(task.id, ROOT))
    again = before is not None and before.id != ROOT and before.attempt == nested.attempt
    child: Graph = around.graph.nodes[task.node].spec.child
    frame = Frame(
        id=nested.frame, graph=child, input=nested.input, config=deep_merge(child.config, around.config),
        stops=stops_inside(around.stops, task.node, child),
        parent=around.id, task=task.id, turn=nested.turn, attempt=nested.attempt,
        began_at=before.began_at if again and before is not None else commit.at,
        updates=(*(before.updates if again and before is not None else ()), *nested.updates),
    )  # fmt: skip
    frames.add(task.id, frame)


Saved = tuple[Frontier, dict[str, Frame], dict[TaskId, str], dict[TaskId, Task], dict[TaskId, OpenCall]]


@dataclass(slots=True)
class Frames:
    """All frames of a run by id, and the open tasks and the sends in progress of all of them.

    `nests` are the subgraph tasks in progress, with the frames that they run.
    """

    root: Frame
    by_id: dict[str, Frame] = field(init=False)
    tasks: dict[TaskId, Task] = field(init=False)
    calls: dict[TaskId, OpenCall] = field(init=False)
    nests: dict[TaskId, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.by_id = {ROOT: self.root}
        self.tasks, self.calls = self.root.frontier.tasks, self.root.frontier.calls

    def __getitem__(self, frame: str) -> Frame:
        return self.by_id[frame]

    def of(self, task: Task) -> Frame:
        """The frame that a task is in."""
        return self.by_id[task.wave.frame]

    @property
    def nested(self) -> bool:
        """Whether there are frames beside the root."""
        return len(self.by_id) > 1

    def add(self, task: TaskId, frame: Frame) -> None:
        """Have a subgraph task run a frame from now on, in place of the one before."""
        if not self.nested:  # from now on they are not those of the root alone
            self.tasks, self.calls = dict(self.tasks), dict(self.calls)
        self._remove(self.nests.get(task))
        self.by_id[frame.id], self.nests[task] = frame, frame.id

    def take(self, commit: Commit) -> None:
        """Apply the frontier delta of a commit."""
        if not self.nested:
            self.root.frontier.take(commit)
            return
        for name in self._touched(commit):
            self.by_id[name].frontier.take(part_of(commit, name))
        self._close(commit)
        for task in commit.opened:
            self.tasks[task.id] = task
        for name, _ in commit.calls:
            self.calls[name] = self.of(self.tasks[name]).frontier.calls[name]
        for name, nested in commit.frames:
            self.nests[name] = nested.frame
            frame = self.by_id[nested.frame]
            frame.task, frame.began_at = name, frame.began_at if commit.kind is Kind.START else commit.at
        if len(self.by_id) == 1:
            self.forget()

    def _close(self, commit: Commit) -> None:
        kept = {nested.frame for _, nested in commit.frames}
        for name in commit.closed:
            self.tasks.pop(name, None)
            self.calls.pop(name, None)
            if (frame := self.nests.pop(name, None)) is not None and frame not in kept:
                self._remove(frame)

    def _touched(self, commit: Commit) -> tuple[str, ...]:
        """The frames in which a commit changes something."""
        if commit.goto is not None:
            return tuple(self.by_id)
        found = {commit.frame, *(task.wave.frame for task in commit.opened)}
        return tuple(found.union(self.tasks[name].wave.frame for name in commit.closed if name in self.tasks))

    def forget(self) -> None:
        """Have no frame but the root."""
        self.by_id, self.nests = {ROOT: self.root}, {}
        self.tasks, self.calls = self.root.frontier.tasks, self.root.frontier.calls

    def saved(self) -> Saved:
        """All that there is to do, to be put back later."""
        return self.root.frontier, self.by_id, self.nests, self.tasks, self.calls

    def put_back(self, saved: Saved) -> None:
        """Have to do again what there was."""
        self.root.frontier, self.by_id, self.nests, self.tasks, self.calls = saved

    def restart(self, frontier: Frontier, kept: Collection[TaskId]) -> None:
        """Have other work in the root, and of the frames that its tasks run only those of some of them."""
        names = [frame for task, frame in self.nests.items() if task in kept]
        inside = {name: one for name, one in self.by_id.items() if any(is_inside(name, outer) for outer in names)}
        self.root.frontier = frontier
        self.by_id = {ROOT: self.root, **inside}
        self.nests = {task: frame for task, frame in self.nests.items() if frame in inside}
        fronts = [one.frontier for one in self.by_id.values()]
        self.tasks = {name: task for front in fronts for name, task in front.tasks.items()}
        self.calls = {name: call for front in fronts for name, call in front.calls.items()}
        if not inside:
            self.forget()

    def _remove(self, frame: str | None) -> None:
        if frame is None:
            return
        for inner in [name for name in self.by_id if name and is_inside(name, frame)]:
            for task in self.by_id.pop(inner).frontier.tasks:
                self.tasks.pop(task, None)
                self.calls.pop(task, None)
                self.nests.pop(task, None)


def part_of(commit: Commit, frame: str) -> Commit:
    """A commit with what it changes in one frame."""
    opened = tuple(task for task in commit.opened if task.wave.frame == frame)
    names = {task.id for task in opened}
    calls = commit.calls if commit.kind is Kind.SEND else tuple(call for call in commit.calls if call[0] in names)
    return replace(
        commit,
        opened=opened,
        calls=calls if commit.kind is not Kind.SEND or commit.frame == frame else (),
        waiting=tuple(one for one in commit.waiting if one.wave.frame == frame),
        joined=tuple(wave for wave in commit.joined if wave.frame == frame),
        absorbed=tuple(wave for wave in commit.absorbed if wave.frame == frame),
        versions=commit.versions if frame == ROOT else None,
    )
