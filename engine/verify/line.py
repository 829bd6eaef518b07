"""A line of commits as the checker sees it: ancestors as bits, canonical order, states folded from nothing."""

from __future__ import annotations

from bisect import bisect, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from engine import model, plugins
from engine.gates import NO_STOPS, Stops
from engine.graph import DEFAULT_MAX_STEPS, ERROR_HANDLE, Graph
from engine.missing import MISSING
from engine.model import CAUSAL, EDITS, Commit, Ref, RunHead, Task, Wave
from engine.state import State, applied, initial
from engine.view import View, meta_of


@dataclass(slots=True)
class Line:
    """`at`: a commit's place on the line, `past`: its ancestors' and its own as bits, `since`: where a task opened,
    `closed`: the waves that take no more arrivals."""

    head: RunHead
    graph: Graph
    config: dict[str, Any]
    input: Any
    commits: list[Commit] = field(default_factory=list)
    at: dict[Ref, int] = field(default_factory=dict)
    past: dict[Ref, int] = field(default_factory=dict)
    order: dict[Ref, tuple[Any, ...]] = field(default_factory=dict)
    sorted: list[Ref] = field(default_factory=list)
    since: dict[str, int] = field(default_factory=dict)
    calls: dict[str, model.Call] = field(default_factory=dict)
    stops: Stops = NO_STOPS
    closed: set[Wave] = field(default_factory=set)
    asked: dict[str, model.InterruptOpened] = field(default_factory=dict)
    ground: State | None = None
    """The state that it begins with, where a run of its session came before, whose line has the commits `earlier`."""
    earlier: dict[Ref, Commit] = field(default_factory=dict)

    def of(self, refs: Iterable[Ref]) -> list[Commit]:
        """The commits of some refs."""
        return [self.commits[self.at[ref]] if ref in self.at else self.earlier[ref] for ref in refs]

    def before(self) -> State:
        """The state before the first commit."""
        return initial(self.graph) if self.ground is None else dict(self.ground)

    def add(self, commit: Commit) -> int | None:
        """Take up a commit whose causes are known; the level that it should have, where it has one."""
        self.at[commit.ref] = len(self.commits)
        self.commits.append(commit)
        self.calls.update(commit.calls)
        self.asked.update({} if commit.interrupt is None else {commit.interrupt.id: commit.interrupt})
        self.since.update((task.id, self.at[commit.ref]) for task in commit.opened)
        return self._put_in_order(commit, commit.task) if commit.kind in CAUSAL else None

    def _put_in_order(self, commit: Commit, task: Task | None) -> int:
        order, rank, causes = self.order, self.sorted.index, [ref for ref in commit.causes if ref in self.order]
        level: int = max((order[ref][0] for ref in causes), default=-1) + 1
        task = None if commit.kind is model.Kind.START else task
        place = (self.graph.nodes[task.node].position, -1 if task.index is None else task.index) if task else (-1, -1)
        last = (len(commit.causes), task.ways if task else ())  # an edit is a cause as well, after all others
        order[commit.ref] = (level, *place, task.node if task else "", causes, last)
        insort(self.sorted, commit.ref, key=lambda r: (order[r][:4], [rank(c) for c in order[r][4]], order[r][5]))
        self.past[commit.ref] = reduce(int.__or__, (self.past[ref] for ref in causes), 1 << self.at[commit.ref])
        return level

    def fold(self, past: int, until: int, last: Iterable[Commit] = (), refused: set[str] | None = None) -> State:
        """Commits in canonical order and edits up to place `until` by time; of ephemeral keys what `last` wrote. Keys
        of which a reducer refuses an update are added to `refused`."""
        found = [self.commits[self.at[ref]] for ref in self.sorted if past >> self.at[ref] & 1]
        edits = [commit for commit in self.commits[: until + 1] if commit.kind in EDITS]
        edited = {name: [self.at[e.ref] for e in edits if name in dict(e.writes)] for name in self.graph.state}
        writes: list[tuple[float, str, Any]] = []
        for commit, half in (*((one, 0.0) for one in found), *((one, 0.5) for one in edits)):
            writes += [(bisect(edited[name], self.at[commit.ref]) - half, name, u) for name, u in commit.writes]
        writes = [write for write in sorted(writes, key=lambda w: w[0]) if not self.graph.state[write[1]].ephemeral]
        passing = [w for commit in last for w in commit.writes if self.graph.state[w[0]].ephemeral]
        return applied(self.graph, self.before(), [*(write[1:] for write in writes), *passing], refused)

    def after(self, causes: Sequence[Ref], until: int, refused: set[str] | None = None) -> State:
        """The state after these commits, as `fold`."""
        past = reduce(int.__or__, (self.past.get(ref, 0) for ref in causes), 0)
        return self.fold(past, until, self.of(causes), refused)

    def refused(self, task: Task) -> set[str]:
        """The keys that do not merge where a task is activated: a reducer refuses an update that comes together with
        others there, or before."""
        found: set[str] = set()
        self.after(task.causes, self.since.get(task.id, 0), found)
        return found

    def ends(self) -> list[Ref]:
        """The commits that no other has as a cause."""
        gone = {cause for commit in self.commits if commit.ref in self.order for cause in commit.causes}
        return [ref for ref in self.sorted if ref not in gone]

    def view(self, task: Task) -> View:
        """What a task saw when it was activated."""
        steps, item, index = int(self.config.get("max_steps", DEFAULT_MAX_STEPS)), MISSING, task.index
        state, given = self.after(task.causes, self.since.get(task.id, 0)), self.input
        meta = meta_of(self.head.id, self.graph, steps, task)
        errors = (
            []
            if task.whole
            else [one.error for one in self.of(task.causes) if one.error and one.handle == ERROR_HANDLE]
        )
        if task.call is not None and (send := self.of([self.calls[task.call].fanout])[0].task) is not None:
            items_of, spec = plugins.node_types()["send"].items_of, self.graph.nodes[send.node].spec
            item = items_of(spec, self.view(send))[task.index or 0]
        return View(state=state, input=given, config=self.config, meta=meta, item=item, index=index, errors=errors)
