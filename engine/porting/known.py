"""A run of a file as far as it was read, and whether the next commit can be one of it: it follows what it says that it
follows, and speaks of nothing that is not there. Whether its values are right is for `engine.verify` to say."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from engine.frame import graph_in
from engine.graph import Graph
from engine.model import (
    CAUSAL,
    GOTO,
    JUMPS,
    Arrival,
    Commit,
    InterruptOpened,
    Kind,
    Ref,
    TaskId,
    Wave,
    make_ref,
    run_key_of,
    seq_of,
)
from engine.porting.fields import Unfit
from engine.ports import CommitRow
from engine.snapshots import read_snapshot
from engine.sources import Span

CODE = "import.history"
_STRAY = "it speaks of what is not there"


def require(holds: bool, why: str, path: str = "/commit") -> None:
    """Raise Unfit where something does not hold."""
    if not holds:
        raise Unfit(why, path, CODE)


@dataclass(slots=True, kw_only=True)
class Known:
    """One run. `above` are the runs that it was forked from, by their keys; `version` is that of the workflow after the
    last commit; `changes` says from which commit on which version counts."""

    key: int
    parent: Ref | None
    continues: bool = False
    """Whether it goes on from another run of its session, and was not forked."""
    above: Mapping[int, Known]
    graphs: Mapping[int, Graph]
    version: int
    count: int = 0
    branch: int = 1
    branches: int = 1
    epoch: int = 0
    tasks: set[TaskId] = field(default_factory=set)
    """All that were ever open."""
    asked: dict[str, InterruptOpened] = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    """The commits with an error of a task."""
    snapshots: dict[int, frozenset[str]] = field(default_factory=dict)
    """The commits with snapshots, and the keys that stand whole in them."""
    changes: list[tuple[int, int]] = field(default_factory=list)

    def version_at(self, seq: int) -> int:
        """The version that counts after a commit."""
        return self.changes[bisect_right(self.changes, seq, key=itemgetter(0)) - 1][1]

    def take(self, row: CommitRow, commit: Commit) -> None:
        """Note the next commit. Raises Unfit where it cannot be that."""
        require(row.seq == self.count + 1, f"commit {self.count + 1} is expected here", "/commit/seq")
        self._follow(commit)
        self._change_version(commit)
        self._check_refs(row, commit)
        self.tasks.update(task.id for task in commit.opened)
        self._check_tasks(commit)
        self._check_writes(row, commit)
        if commit.interrupt is not None:
            require(commit.task is not None, "an interrupt needs a task")
            self.asked[commit.interrupt.id] = commit.interrupt
        if commit.error is not None and commit.task is not None:
            self.failed.add(row.seq)
        self.count, self.epoch = row.seq, commit.epoch

    # ---- where it stands

    def _follow(self, commit: Commit) -> None:
        """A run begins once; then each commit follows the one before it, but for jumps, which may go to any branch."""
        begins = commit.kind is Kind.FORK or (commit.kind is Kind.START and not commit.frames)
        require(begins or self.count > 0, "a run begins with its first commit", "/commit/kind")
        require(not begins or self.count == 0, "a run begins once", "/commit/kind")
        before = make_ref(self.key, self.count) if self.count else self.parent
        jumps = commit.kind in JUMPS
        follows = self._is_own(commit.parent, self.count) if jumps else commit.parent == before
        require(follows, "it follows another commit than the one before it", "/commit/parent")
        if self.count == 0:
            kind = Kind.START if self.parent is None or self.continues else Kind.FORK
            require(commit.kind is kind, f"the run begins with a {kind}", "/commit/kind")
        require(self._may_be_on(commit.kind, commit.branch), "no such branch", "/commit/branch")
        require(commit.epoch >= self.epoch, "its epoch is older than the one before", "/commit/epoch")
        self.branch, self.branches = commit.branch, max(self.branches, commit.branch)

    def _may_be_on(self, kind: Kind, branch: int) -> bool:
        if kind is Kind.CHECKOUT:
            return branch <= self.branches
        return branch == (self.branches + 1 if kind is Kind.REPLAY else self.branch)

    def _change_version(self, commit: Commit) -> None:
        if commit.kind in JUMPS and commit.parent is not None:
            self.version = self.version_at(seq_of(commit.parent))
        if commit.versions is not None:
            before, after = commit.versions
            require(before == self.version and after in self.graphs, "no such change", "/commit/body/versions")
            self.version = after
        if not self.changes or self.changes[-1][1] != self.version:
            self.changes.append((commit.seq, self.version))

    def _check_refs(self, row: CommitRow, commit: Commit) -> None:
        seq = self.count
        tasks = (*(one.task for one in commit.cancelled), *(() if commit.task is None else (commit.task,)))
        named = (*commit.causes, *(ref for task in tasks for ref in task.causes))
        require(all(self._is_there(ref, seq) for ref in named), "a cause does not come before it", "/commit/body")
        new = (*(ref for task in commit.opened for ref in task.causes), *(one.cause for one in commit.waiting))
        calls = [(call.fanout, *(ref for _, ref in call.done)) for _, call in commit.calls]
        later = (*new, *(ref for refs in calls for ref in refs))
        require(all(self._is_there(ref, seq + 1) for ref in later), "it speaks of a later commit", "/commit/body")
        if commit.dominator is not None:
            require(self._is_there(commit.dominator, seq), "no such commit", "/commit/dominator")
        if commit.reuse is not None:
            require(self._is_there(commit.reuse.until, seq), "no such commit", "/commit/body/reuse")
        if row.base is not None:
            known = self if run_key_of(row.base) == self.key else self.above.get(run_key_of(row.base))
            own = row.snapshot is not None and row.base == commit.ref
            there = own or (known is not None and seq_of(row.base) in known.snapshots)
            require(there, "that commit has no snapshot", "/commit/base")

    def _is_own(self, ref: Ref | None, last: int) -> bool:
        return ref is not None and run_key_of(ref) == self.key and 1 <= seq_of(ref) <= last

    def _is_there(self, ref: Ref, last: int) -> bool:
        """Whether a ref names a commit of this run up to one, or of one that it was forked from."""
        other = self.above.get(run_key_of(ref))
        return self._is_own(ref, last) or (other is not None and 1 <= seq_of(ref) <= other.count)

    # ---- what it says

    def _check_tasks(self, commit: Commit) -> None:
        graph, task = self.graphs[self.version], commit.task
        if commit.kind in CAUSAL:
            placed = commit.level is not None and (task is not None or self.count == 0)
            require(placed, "it needs a task and a level")
        require(all(one.id.__class__ is str for one in commit.opened), "a task needs an id", "/commit/body/opened")
        others = (*(call for call, _ in commit.calls), *(name for name, _ in commit.frames))
        ids = (*commit.closed, *others, *(() if task is None else (task.id,)))
        require(all(map(self._is_task, ids)), "it speaks of a task that was never open", "/commit/body")
        for opened in (*commit.opened, *(one.task for one in commit.cancelled), *(() if task is None else (task,))):
            self._check_wave(graph, opened.wave, opened.edges, own=opened.call is None)
            require(opened.call is None or self._is_task(opened.call), "an item of no send", "/commit/body")
        for arrival in commit.waiting:
            self._check_arrival(graph, arrival)
        for _, nested in commit.frames:
            graph_in(graph, nested.frame)
        require(all(name in self.asked for name in commit.resolved), "no such interrupt", "/commit/body/resolved")

    def _is_task(self, task_id: TaskId) -> bool:
        return task_id in self.tasks or any(task_id in other.tasks for other in self.above.values())

    def _check_arrival(self, graph: Graph, arrival: Arrival) -> None:
        self._check_wave(graph, arrival.wave, () if arrival.edge == GOTO else (arrival.edge,))

    @staticmethod
    def _check_wave(graph: Graph, wave: Wave, edges: Iterable[int], *, own: bool = True) -> None:
        """The place of work is there in this version of the workflow. An item of a send is in the rounds of that, and
        not in its `own`."""
        graph = graph_in(graph, wave.frame)
        there = wave.node in graph.nodes and all(number >= 0 for number in wave.rounds)
        there = there and (not own or len(wave.rounds) == len(graph.topology.first_rounds(wave.node)))
        there = there and all(part.__class__ is str for part in (wave.frame, wave.generation))
        require(there, f"version {graph.version} of the workflow has no such node '{wave.node[:80]}'", "/commit/body")
        right = all(0 <= edge < len(graph.edges) and graph.edges[edge].target == wave.node for edge in edges)
        require(right, f"no such edge leads to '{wave.node[:80]}'", "/commit/body")

    def _check_writes(self, row: CommitRow, commit: Commit) -> None:
        state = graph_in(self.graphs[self.version], commit.frame).state
        unknown = [name for name, _ in commit.writes if name not in state]
        require(not unknown, f"state_schema does not declare '{unknown and unknown[0][:80]}'", "/commit/body/writes")
        if row.snapshot is None:
            return
        found, graph = read_snapshot(row), self.graphs[self.version]
        known = {*found.values, *found.sources, *(found.shown or ())} <= state.keys()
        require(known and all(self._is_there(end.ref, row.seq) for end in found.ends), _STRAY, "/commit/snapshot")
        for name, source in found.named():
            base = source.base is None or name in self._whole_at(source.base)
            require(base and all(self._is_span(span, row.seq) for span in source.spans), _STRAY, "/commit/snapshot")
        for arrival in found.deferred:
            self._check_arrival(graph, arrival)
        self.snapshots[row.seq] = frozenset(found.values)

    def _is_span(self, span: Span, last: int) -> bool:
        """Whether all of its refs are there: they are as many as there are steps between the first and the last."""
        grows = (span.length, span.step) == (1, 0) or (span.length > 1 and span.step > 0)
        return grows and self._is_there(span.first, last) and self._is_there(span.last, last)

    def _whole_at(self, ref: Ref) -> frozenset[str]:
        """The keys that stand whole in the snapshot of a commit."""
        known = self if run_key_of(ref) == self.key else self.above.get(run_key_of(ref))
        return frozenset() if known is None else known.snapshots.get(seq_of(ref), frozenset())

    def is_waited_for(self, task_id: str, run_id: str) -> bool:
        """Whether a timer may be set for this: a task, or the run as a whole."""
        return task_id == run_id or self._is_task(TaskId(task_id))
