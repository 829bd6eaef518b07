"""The checks of one frame: what each commit says of its task, its place, its writes and what it activates, against the
line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine import gates, model, plugins
from engine.encoding import request_hash
from engine.errors import NodeFailure
from engine.graph import Graph, deep_merge
from engine.joins import check_quorum
from engine.missing import MISSING
from engine.model import EDITS, Arrival, Commit, ErrorInfo, Kind, Ref, Task, TaskId, Updates
from engine.output import output_of
from engine.ports import CommitRow
from engine.snapshots import Snapshot, read_snapshot
from engine.state import applied, changed, initial
from engine.values import replace
from engine.verify import eager
from engine.verify.line import Line
from engine.verify.stops import passes, sent, stops_right
from engine.verify.versions import Change
from engine.view import Ask, Chosen, Done, FanOut, Nest, Sleep, View


@dataclass(slots=True)
class Part:
    """The commits of a frame so far, and what is active in it after the last of them."""

    line: Line
    graphs: Mapping[int, Graph]
    problems: list[str]
    changed_at: int = 0
    once: bool = True
    """Whether a wave is active once: work of another version may have been where it would have waited in this one."""
    open: dict[str, Task] = field(default_factory=dict)
    waiting: list[Arrival] = field(default_factory=list)
    snapshots: dict[Ref, Snapshot] = field(default_factory=dict)
    inside: dict[TaskId, Part] = field(default_factory=dict)
    """The frames that its subgraph tasks run, or have run last."""
    updates: Updates = ()
    """What the turns before gave to the state around it."""
    errors: dict[Ref, ErrorInfo] = field(default_factory=dict)
    """The failures that nothing in it has dealt with."""

    def end(self, error: ErrorInfo) -> None:
        """Have nothing open, for a failure of the whole."""
        self.errors, self.open, self.waiting = {Ref(0): error}, {}, []

    def say(self, commit: Commit, problem: str, wrong: bool) -> None:
        if wrong:
            self.problems.append(f"{commit.seq} {commit.kind} {commit.task.node if commit.task else ''}: {problem}")

    def take(self, row: CommitRow, commit: Commit, own: bool) -> None:
        """Check what a commit does in this frame."""
        line, task = self.line, commit.task
        if commit.versions is not None:
            self._change(commit, Change(line.graph, self.graphs[commit.versions[1]], commit.seq))
        again = [opened for opened in commit.opened if opened.id in line.since]
        level = line.add(commit)
        self.say(commit, f"its level is {commit.level} and not {level}", level is not None and commit.level != level)
        self.say(commit, "it passes a breakpoint, or stops where there is none", not stops_right(line, commit))
        if own:
            self._check_task(commit, task)
        if commit.kind in (Kind.START, Kind.NODE) or passes(commit) is not None:
            right = eager.ends_right(line.graph, commit, self.open, line.closed)
            self.say(commit, "it ends what is not in vain, or a wave that needs more", not right)
        self.waiting = self.waiting if commit.puts_back else self._left_waiting(commit)
        line.closed |= eager.closing(line.graph, commit)
        self.open = {name: task for name, task in self.open.items() if name not in commit.closed}
        self.open.update((opened.id, opened) for opened in commit.opened)
        twice = bool(again) and passes(commit) is None  # what was open once may have been put back since
        self.say(commit, f"it opens '{again and again[0].node}' twice", twice)
        if row.snapshot is not None:
            self.snapshots[commit.ref] = read_snapshot(row)
            if own:
                self._check_snapshot(commit, self.snapshots[commit.ref])

    def _change(self, commit: Commit, change: Change) -> None:
        """Have everything so far stand in another version."""
        line, work = self.line, self._work()
        was = commit.versions and commit.versions[0]
        self.say(commit, f"it changes version {was}, and the line has {line.graph.version}", was != line.graph.version)
        line.commits, self.changed_at = change.writes(line.commits), len(line.commits)
        line.graph, line.config = change.new, deep_merge(change.new.config, line.head.config)
        line.stops = gates.stops_of(change.new, line.head.interrupt_before, line.head.interrupt_after)
        self.once &= change.old.edges == change.new.edges
        line.closed = change.closed(line.closed, work)
        self.open, self.waiting = change.open(self.open), change.waiting(self.waiting)

    def _work(self) -> list[model.Wave]:
        """Where there is work that joins wait for."""
        waiting = (one.wave for one in self.waiting if not self._late(one))
        return [*(task.wave for task in self.open.values() if task.call is None), *waiting]

    # ---- a task and what it did

    def _check_task(self, commit: Commit, task: Task | None) -> None:
        line = self.line
        if task is None or commit.kind in (Kind.RESUME, Kind.START):
            state = line.fold((1 << len(line.commits) - 1) - 1, len(line.commits) - 2)
        elif (call := line.calls.get(task.id)) is not None:
            items = [c for c in line.commits if c.kind is Kind.ITEM and call.fanout in c.causes]
            done = {one.task and one.task.slot: one.ref for one in items}
            causes = tuple(done.get(slot) for slot in range(call.size)) or (call.fanout,)
            wrong = commit.causes != (causes if commit.kind is Kind.NODE else task.causes)
            self.say(commit, "its causes are not its items in their order", wrong)
            state = line.after(commit.causes, len(line.commits))
        else:
            self.say(commit, "its task is not open", self.open.get(task.id) != task)
            wrong, state = not self._decides(task, commit, view := line.view(task)), dict(view.state)
            self.say(commit, "its node decides otherwise on what the task sees", wrong)
        try:
            changed(line.graph, state, commit.writes)
        except NodeFailure as failure:
            self.say(commit, failure.message, True)

    def _decides(self, task: Task, commit: Commit, view: View) -> bool:
        if task.gate is not None:
            return True
        node, code = self.line.graph.nodes[task.node], commit.error.code if commit.error is not None else None
        try:
            check_quorum(self.line.graph, task)
            outcome = plugins.node_types()[node.type].enter(node, view)
        except NodeFailure as failure:
            return code == failure.node_code or self._does_not_merge(commit, task, view)
        if isinstance(outcome, Nest):
            return self._ended_right(commit, task, view)
        if isinstance(outcome, Ask):
            return self._does_not_merge(commit, task, view) or commit.input_hash == request_hash(outcome.request)
        if code is not None or isinstance(outcome, Done):
            both = (commit.writes, outcome.updates if code is None else ())
            state = self.line.graph.state
            one, other = ([w for w in ws if not state[w[0]].reducer.normalise] for ws in both)
            return one == other
        if isinstance(outcome, FanOut):
            return tuple((item.node, item.index) for item in commit.opened) == outcome.slots
        if isinstance(outcome, Sleep):
            return commit.at >= (outcome.until_ms or (commit.created_at or 0) + outcome.lasts_ms)
        return commit.chosen == outcome.handles if isinstance(outcome, Chosen) else True

    def _does_not_merge(self, commit: Commit, task: Task, view: View) -> bool:
        """Whether a task has failed before its node was entered, for what it sees is no valid state."""
        if commit.error is None or commit.error.code != "state.invalid" or commit.input_hash is not None:
            return False
        keys, refused = self.line.graph.state, self.line.refused(task)
        invalid = {name for name, value in view.state.items() if keys[name].check(value, MISSING) is not None}
        return bool(invalid) or (commit.error.details or {}).get("key") in refused

    def _ended_right(self, commit: Commit, task: Task, view: View) -> bool:
        """Whether a subgraph ends with what its frame came to, all its turns together."""
        inner, spec = self.inside.get(task.id), self.line.graph.nodes[task.node].spec
        if commit.kind is not Kind.NODE and commit.kind is not Kind.ITEM:
            return True
        if inner is None:
            return True
        line = inner.line
        if commit.error is not None:
            first = min(inner.errors, key=lambda ref: line.sorted.index(ref) if ref else -1, default=None)
            return first is None or inner.errors[first] == commit.error
        output = output_of(line.graph, {"input": line.input, "config": line.config}, line.fold(-1, len(line.commits)))
        wanted = (*inner.updates, *spec.output.updates(output)) if task.call is None else ()
        state = self.line.graph.state
        one, other = ([w for w in ws if not state[w[0]].reducer.normalise] for ws in (commit.writes, wanted))
        return commit.answer == {"output": output} and one == other

    # ---- what is active

    def _left_waiting(self, commit: Commit) -> list[Arrival]:
        """What waits after a commit: every arrival is activated once or waits, and every wave is activated once, but
        for those that each arrival or a goto activates by itself."""
        line, gate, new = self.line, passes(commit), sent(self.line, commit)
        forks = commit.kind in EDITS and not (gate and gates.is_after(gate))
        if commit.goto is not None:
            return self._check_named(commit)
        left = [*self.waiting, *(one for one in new if self._counts(one))]
        again = {(old.wave, old.place) for old in self.open.values()} if forks else set()
        since = line.commits[self.changed_at : -1] if self.once else ()
        fired = {task.wave for one in since for task in one.opened if task.call is None and not task.place}
        fresh = [one for one in commit.opened if not (one.call or gates.is_after(one))]
        for opened in (one for one in fresh if (one.wave, one.place) not in again):
            mine = eager.taken(line.graph, opened, (one for one in left if self._activates(one, opened)))
            mine.sort(key=lambda one: (line.sorted.index(one.cause), one.edge))
            causes = dict.fromkeys((*(one.cause for one in mine), *((commit.ref,) if forks else ())))
            edges = tuple(one.edge for one in mine if one.edge != model.GOTO)
            if opened.place == model.DEFERRED:
                self._check_deferred(commit, opened, [one for one in left if one not in mine])
                causes, edges = dict.fromkeys((*line.ends(), *((commit.ref,) if forks else ()))), tuple(sorted(edges))
            wrong = (opened.causes, opened.edges) != (tuple(causes), edges)
            wrong |= not opened.place and opened.wave in fired
            self.say(commit, f"'{opened.node}' has other causes than what arrived, or was active before", wrong)
            left = [one for one in left if one not in mine]
        left = self._still_wanted(commit, left, new)
        if commit.versions is not None:
            left = self._late_from_before(commit, left)
        came = Counter(one for one in left if one in new or commit.versions)
        late = any(one.wave in fired and not self._alone(one) for one in came)
        wrong = Counter(map(_placeless, came.elements())) != Counter(map(_placeless, commit.waiting))
        self.say(commit, "arrivals are lost, come from nowhere or come too late", wrong or late)
        return left

    def _counts(self, arrival: Arrival) -> bool:
        """Whether an arrival is none that comes too late to matter."""
        return arrival.wave not in self.line.closed or self._alone(arrival) or self._late(arrival)

    def _still_wanted(self, commit: Commit, left: list[Arrival], new: list[Arrival]) -> list[Arrival]:
        """The arrivals that can still matter after a commit."""
        graph, emptied = self.line.graph, set(commit.joined) - {task.wave for task in commit.opened}
        gone, vain = emptied | eager.closing(graph, commit), eager.in_vain(graph, commit)
        lost = [one for one in new if one.wave.node in vain and one not in commit.waiting]
        open_ends = [one for one in left if self._alone(one) or one.wave not in gone]
        return [one for one in left if self._late(one) or (one in open_ends and one not in lost)]

    @staticmethod
    def _late_from_before(commit: Commit, left: list[Arrival]) -> list[Arrival]:
        """What has waited at a deferred node goes on so where the next version says otherwise, if it has to."""
        late = {_placeless(one) for one in commit.waiting if one.place == model.DEFERRED and one.edge != model.GOTO}
        return [replace(one, place=model.DEFERRED) if one in late else one for one in left]

    def _check_deferred(self, commit: Commit, task: Task, others: list[Arrival]) -> None:
        """A deferred node runs when nothing else is active, and before those that are deeper."""
        graph, again = self.line.graph, {one.node for one in commit.opened}
        busy = [one for name, one in self.open.items() if name not in commit.closed]
        nodes = [one.wave.node for one in others if self._late(one)]
        wrong = bool(busy) or len(again) > 1 or len(nodes) < len(others)
        wrong |= any(graph.depths[node] < graph.depths[task.node] for node in nodes)
        self.say(commit, f"'{task.node}' is deferred, and other work is before it", wrong)

    def _check_named(self, commit: Commit) -> list[Arrival]:
        """A fork or replay runs what it names once, with all ends of the line for causes, instead of all else."""
        shape, causes = self.line.graph.topology, (*self.line.ends(), commit.ref)
        left = [one for one in self.waiting if one.edge == model.GOTO and self._late(one)]
        wrong = [task.node for task in commit.opened] != list(commit.goto or ())
        wrong |= Counter(map(_placeless, commit.waiting)) != Counter(map(_placeless, left if commit.versions else ()))
        wrong |= set(commit.closed) != set(self.open) or len({task.wave.generation for task in commit.opened}) > 1
        for task in commit.opened:
            wave = model.Wave(task.node, shape.first_rounds(task.node), task.wave.frame, task.wave.generation)
            wrong |= (task.wave, task.causes, task.edges, task.place) != (wave, causes, (), model.NAMED)
            used = {old.wave.generation for one in self.line.commits[:-1] for old in one.opened}
            wrong |= task.wave.generation in used
        self.say(commit, "what it names is not what it runs, or other work is left", wrong)
        return left

    def _late(self, arrival: Arrival) -> bool:
        """Whether an arrival waits at a deferred node."""
        if arrival.place == model.DEFERRED:
            return True
        sent_by = self.line.commits[self.line.at[arrival.cause]]
        return arrival.wave.node in self.line.graph.deferred and (arrival.edge >= 0 or sent_by.kind is Kind.START)

    def _alone(self, arrival: Arrival) -> bool:
        return arrival.edge == model.GOTO or self.line.graph.nodes[arrival.wave.node].join == "each"

    def _activates(self, arrival: Arrival, task: Task) -> bool:
        """Whether an arrival became a task, with all others of its wave or by itself."""
        if self._late(arrival) or task.place == model.DEFERRED:
            return self._late(arrival) and task.place == model.DEFERRED and arrival.wave.node == task.node
        if self._alone(arrival) != bool(task.place) or arrival.wave != task.wave:
            return False
        return not task.place or (arrival.cause in task.causes and arrival.edge in (*task.edges, model.GOTO))

    # ---- snapshots

    def _check_snapshot(self, commit: Commit, kept: Snapshot) -> None:
        line = self.line
        here, graph = line.at[commit.ref], line.graph
        state = {**initial(graph), **kept.values}
        for name, source in kept.named():
            if source.base is not None:
                state[name] = self.snapshots[source.base].values[name]
            applied(graph, state, [w for one in line.of(source.refs()) for w in one.writes if w[0] == name])
        causal, shown = line.fold(line.past[commit.ref], here), line.fold(-1, here)
        self.say(commit, "its snapshot is another state", state != causal or {**state, **(kept.shown or {})} != shown)


def _placeless(arrival: Arrival) -> Arrival:
    return replace(arrival, place="")
