"""An independent check of a run: from its stored rows alone, all of it is worked out anew, by the plainest way."""

from __future__ import annotations

from bisect import bisect, insort
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

from engine import control, model, plugins, record
from engine.encoding import request_hash
from engine.errors import NodeFailure, NotFound
from engine.graph import DEFAULT_MAX_STEPS, ERROR_HANDLE, Graph
from engine.missing import MISSING
from engine.model import CAUSAL, EDITS, Arrival, Commit, Kind, Ref, RunHead, Task, Wave, run_key_of, seq_of
from engine.ports import CommitRow, Store
from engine.state import State, applied, changed, initial
from engine.view import Ask, Chosen, Done, FanOut, View, meta_of


class Report(NamedTuple):
    """What is wrong with a run's own commits; `state` is the state shown after the last of them."""

    commits: int
    tasks: int
    problems: list[str]
    state: State


async def verify_run(store: Store, run_id: model.RunId, graph_of: Callable[[str, int], Awaitable[Graph]]) -> Report:
    """Check a run, on the line of the runs that it was forked from. Raises NotFound."""
    if (head := await store.run(run_id)) is None:
        raise NotFound(f"there is no run '{run_id}'")
    rows, above = await store.commits(head.key, 1, seq_of(head.head)), head.parent
    while above is not None:
        rows = [*await store.commits(run_key_of(above), 1, seq_of(above)), *rows]
        above = parent.parent if (parent := await store.run_by_key(run_key_of(above))) is not None else None
    return verify_rows(head, await graph_of(head.workflow_id, head.workflow_version), rows)


def verify_rows(head: RunHead, graph: Graph, rows: Sequence[CommitRow]) -> Report:
    """Check the rows of a line, oldest first; those of the runs that it was forked from are taken as they are."""
    check = _Check(head, graph, control.deep_merge(graph.config, head.config))
    for row in rows:
        check.row(row, record.decode(row), row.run_key == head.key)
    own = [commit for commit in check.line if run_key_of(commit.ref) == head.key]
    left = check.open or check.waiting if own[-1].status is model.RunStatus.COMPLETED else ()
    check.say(own[-1], "work is left in a completed run", bool(left))
    state = check.fold(-1, len(rows), check.line[-1:])
    return Report(len(own), sum(len(commit.opened) for commit in own), check.problems, state)


@dataclass(slots=True)
class _Check:
    """`at`: a commit's place on the line, `past`: its ancestors' and its own as bits, `since`: where a task opened."""

    head: RunHead
    graph: Graph
    config: dict[str, Any]
    problems: list[str] = field(default_factory=list)
    line: list[Commit] = field(default_factory=list)
    at: dict[Ref, int] = field(default_factory=dict)
    past: dict[Ref, int] = field(default_factory=dict)
    order: dict[Ref, tuple[Any, ...]] = field(default_factory=dict)
    sorted: list[Ref] = field(default_factory=list)
    open: dict[str, Task] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)
    waiting: list[Arrival] = field(default_factory=list)
    calls: dict[str, model.Call] = field(default_factory=dict)

    def say(self, commit: Commit, problem: str, wrong: bool) -> None:
        if wrong:
            self.problems.append(f"{commit.seq} {commit.kind} {commit.task.node if commit.task else ''}: {problem}")

    def row(self, row: CommitRow, commit: Commit, own: bool) -> None:
        last, task = self.line[-1] if self.line else None, commit.task
        seq = last.seq + 1 if last is not None and run_key_of(last.ref) == row.run_key else 1
        self.say(commit, "it leaves a gap", (row.seq, row.version, row.parent) != (seq, seq - 1, last and last.ref))
        self.say(commit, "its epoch is older than the one before", seq > 1 and commit.epoch < self.line[-1].epoch)
        if any(ref not in self.at for ref in commit.causes):
            return self.say(commit, "a cause does not precede it", True)
        self.at[commit.ref] = len(self.line)
        self.line.append(commit)
        if commit.kind in CAUSAL:
            self._put_in_order(commit, task, [ref for ref in commit.causes if ref in self.order])
        if own:
            self._check_task(commit, task)
        self.waiting = self._left_waiting(commit, task.wave if task else Wave(model.START))
        self.open = {name: task for name, task in self.open.items() if name not in commit.closed}
        self.calls.update(commit.calls)
        for opened in commit.opened:
            self.say(commit, f"it opens '{opened.node}' twice", opened.id in self.since)
            self.open[opened.id], self.since[opened.id] = opened, self.at[commit.ref]
        if own and row.snapshot is not None:
            self._check_snapshot(row, commit)

    def _put_in_order(self, commit: Commit, task: Task | None, causes: Sequence[Ref]) -> None:
        order, rank = self.order, self.sorted.index
        level = max((order[ref][0] for ref in causes), default=-1) + 1
        self.say(commit, f"its level is {commit.level} and not {level}", commit.level != level)
        place = (self.graph.nodes[task.node].position, -1 if task.index is None else task.index) if task else (-1, -1)
        order[commit.ref] = (level, *place, causes, task.ways if task else ())
        insort(self.sorted, commit.ref, key=lambda r: (order[r][:3], [rank(c) for c in order[r][3]], order[r][4]))
        self.past[commit.ref] = reduce(int.__or__, (self.past[ref] for ref in causes), 1 << self.at[commit.ref])

    def fold(self, past: int, until: int, last: Iterable[Commit] = ()) -> State:
        """Commits in canonical order and edits up to place `until` by time; of ephemeral keys what `last` wrote."""
        found = [self.line[self.at[ref]] for ref in self.sorted if past >> self.at[ref] & 1]
        edits = [commit for commit in self.line[: until + 1] if commit.kind in EDITS]
        edited = {name: [self.at[e.ref] for e in edits if name in dict(e.writes)] for name in self.graph.state}
        writes: list[tuple[float, str, Any]] = []
        for commit, half in (*((one, 0.0) for one in found), *((one, 0.5) for one in edits)):
            writes += [(bisect(edited[name], self.at[commit.ref]) - half, name, u) for name, u in commit.writes]
        writes = [write for write in sorted(writes, key=lambda w: w[0]) if not self.graph.state[write[1]].ephemeral]
        passing = [w for commit in last for w in commit.writes if self.graph.state[w[0]].ephemeral]
        return applied(self.graph, initial(self.graph), [*(write[1:] for write in writes), *passing])

    def _after(self, causes: Sequence[Ref], until: int) -> State:
        past = reduce(int.__or__, (self.past.get(ref, 0) for ref in causes), 0)
        return self.fold(past, until, [self.line[self.at[ref]] for ref in causes])

    def _view(self, task: Task) -> View:
        steps, item, index = int(self.config.get("max_steps", DEFAULT_MAX_STEPS)), MISSING, task.index
        state, given = self._after(task.causes, self.since.get(task.id, 0)), self.head.input
        meta = meta_of(self.head.id, self.graph, steps, task)
        causes = (self.line[self.at[ref]] for ref in task.causes)
        errors = [one.error for one in causes if one.error and one.handle == ERROR_HANDLE]
        if task.call is not None and (send := self.line[self.at[self.calls[task.call].fanout]].task) is not None:
            items_of, spec = plugins.node_types()["send"].items_of, self.graph.nodes[send.node].spec
            item = items_of(spec, self._view(send))[task.index or 0]
        return View(state=state, input=given, config=self.config, meta=meta, item=item, index=index, errors=errors)

    def _check_task(self, commit: Commit, task: Task | None) -> None:
        self.say(commit, "it closes what is not open", not Counter(commit.closed) <= Counter(self.open.keys()))
        if task is None or commit.kind is Kind.RESUME:
            state = self.fold((1 << len(self.line) - 1) - 1, len(self.line) - 2)
        elif (call := self.calls.get(task.id)) is not None:
            done = {c.task and c.task.slot: c.ref for c in self.line if c.kind is Kind.ITEM and call.fanout in c.causes}
            items = tuple(done.get(slot) for slot in range(call.size)) or (call.fanout,)
            wrong = commit.causes != (items if commit.kind is Kind.NODE else task.causes)
            self.say(commit, "its causes are not its items in their order", wrong)
            state = self._after(commit.causes, len(self.line))
        else:
            self.say(commit, "its task is not open", self.open.get(task.id) != task)
            wrong, state = not self._decides(task, commit, view := self._view(task)), dict(view.state)
            self.say(commit, "its node decides otherwise on what the task sees", wrong)
        try:
            changed(self.graph, state, commit.writes)
        except NodeFailure as failure:
            self.say(commit, failure.message, True)

    def _decides(self, task: Task, commit: Commit, view: View) -> bool:
        node, code = self.graph.nodes[task.node], commit.error.code if commit.error is not None else None
        try:
            outcome = plugins.node_types()[node.type].enter(node, view)
        except NodeFailure as failure:
            return code == failure.node_code
        if isinstance(outcome, Ask):
            never_asked = commit.input_hash is None and code == "state.invalid"
            return never_asked or commit.input_hash == request_hash(outcome.request)
        if code is not None or isinstance(outcome, Done):
            both = (commit.writes, outcome.updates if code is None else ())
            one, other = ([w for w in ws if not self.graph.state[w[0]].reducer.normalise] for ws in both)
            return one == other
        if isinstance(outcome, FanOut):
            return tuple((item.node, item.index) for item in commit.opened) == outcome.slots
        return commit.chosen == outcome.handles if isinstance(outcome, Chosen) else True

    def _left_waiting(self, commit: Commit, wave: Wave) -> list[Arrival]:
        """What waits after a commit: every arrival is activated once or waits, and every wave is activated once."""
        leaves = commit.kind in (Kind.START, Kind.NODE) and commit.task_status is not model.TaskStatus.SKIPPED
        left, shape, forks = list(self.waiting), self.graph.topology, commit.kind is Kind.FORK
        for handle in ((commit.handle,) if commit.handle else commit.chosen or (None,)) if leaves else ():
            for edge in shape.edges_from(wave.node, handle):
                target = replace(wave, node=edge.target, rounds=shape.rounds_over(edge.index, wave.rounds))
                left += [Arrival(edge.index, commit.ref, target)] if edge.target != model.END else []
        again = {old.wave for old in self.open.values()} if forks else set()
        fired = {task.wave for one in self.line[:-1] for task in one.opened if task.call is None}
        for opened in (one for one in commit.opened if one.call is None and one.wave not in again):
            mine = [one for one in left if one.wave == opened.wave]
            mine.sort(key=lambda one: (self.sorted.index(one.cause), one.edge))
            causes = dict.fromkeys((*(one.cause for one in mine), *((commit.ref,) if forks else ())))
            wrong = (opened.causes, opened.edges) != (tuple(causes), tuple(one.edge for one in mine))
            wrong |= opened.wave in fired
            self.say(commit, f"'{opened.node}' has other causes than what arrived, or was active before", wrong)
            left = [one for one in left if one.wave != opened.wave]
        came = Counter(one for one in left if one.cause == commit.ref)
        wrong = came != Counter(commit.waiting) or any(one.wave in fired for one in came)
        self.say(commit, "arrivals are lost, come from nowhere or come too late", wrong)
        return left

    def _check_snapshot(self, row: CommitRow, commit: Commit) -> None:
        kept, here = record.read_snapshot(row), self.at[commit.ref]
        state = {**initial(self.graph), **kept.values, **{name: initial(self.graph)[name] for name in kept.refs}}
        for name, refs in kept.refs.items():
            applied(self.graph, state, [w for ref in refs for w in self.line[self.at[ref]].writes if w[0] == name])
        causal, shown = self.fold(self.past[commit.ref], here), self.fold(-1, here)
        self.say(commit, "its snapshot is another state", state != causal or {**state, **(kept.shown or {})} != shown)
