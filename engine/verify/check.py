"""The checks of a run: that its commits follow each other, and that each is right in the frames that it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine import gates, model, record
from engine.errors import NotFound
from engine.frame import ROOT, is_inside, part_of
from engine.graph import BROKEN, Graph, deep_merge
from engine.model import EDITS, JUMPS, START, Commit, Kind, Ref, RunHead, Task, Wave, make_ref, run_key_of, seq_of
from engine.ports import CommitRow, Store
from engine.state import State, initial
from engine.values import replace
from engine.verify.asked import asked_right
from engine.verify.line import Line
from engine.verify.part import Part
from engine.verify.stops import puts_back_right
from engine.verify.versions import Change, begins_with, versions_of


class Report(NamedTuple):
    """What is wrong with a run's own commits; `state` is the state shown after the last of them."""

    commits: int
    tasks: int
    problems: list[str]
    state: State


async def verify_run(store: Store, run_id: model.RunId, graph_of: Callable[[str, int], Awaitable[Graph]]) -> Report:
    """Check all branches of a run, on the lines of the runs that it was forked from. Raises NotFound."""
    if (head := await store.run(run_id)) is None:
        raise NotFound(f"there is no run '{run_id}'")
    own = await store.commits(head.key, 1, seq_of(head.head))
    if not own:  # it has not begun
        return Report(commits=0, tasks=0, problems=[], state={})
    rows, above, origin = {make_ref(row.run_key, row.seq): row for row in own}, head.parent, head
    while above is not None:
        rows.update({make_ref(r.run_key, r.seq): r for r in await store.commits(run_key_of(above), 1, seq_of(above))})
        if (parent := await store.run_by_key(run_key_of(above))) is not None:
            origin = parent
        above = parent.parent if parent is not None else None
    version = begins_with(await store.turns(origin.key), origin.workflow_version)
    graphs = {one: await graph_of(head.workflow_id, one) for one in {version, *versions_of(rows.values())}}
    problems, report = list[str](), Report(0, 0, [], {})
    for branch in sorted({row.branch for row in own}, key=lambda number: number == head.branch):
        report = verify_rows(head, graphs, version, line_of(rows, [row for row in own if row.branch == branch][-1]))
        problems += [problem for problem in report.problems if problem not in problems]
    return report._replace(commits=len(own), tasks=report.tasks, problems=problems)


def line_of(rows: Mapping[Ref, CommitRow], last: CommitRow) -> list[CommitRow]:
    """The rows that lead to one of them, by their parents alone, oldest first."""
    found = [last]
    while (parent := found[-1].parent) is not None:
        found.append(rows[parent])
    return found[::-1]


def verify_rows(head: RunHead, graphs: Mapping[int, Graph], version: int, rows: Sequence[CommitRow]) -> Report:
    """Check the rows of a line, oldest first; those of the runs that it was forked from are taken as they are. The line
    begins with a `version` of its workflow; `graphs` are all that it changes to."""
    graph = graphs[version]
    stops = gates.stops_of(graph, head.interrupt_before, head.interrupt_after)
    line = Line(head, graph, deep_merge(graph.config, head.config), head.input, stops=stops)
    problems = list[str]()
    check = _Check(head, Part(line, graphs, problems), problems)
    for row in rows:
        check.row(row, record.decode(row), row.run_key == head.key)
    own, last, line = check.own, check.last, check.root.line
    assert last is not None
    left = any(part.open or part.waiting for part in check.parts.values())
    check.say(last, "work is left in a completed run", left and last.status is model.RunStatus.COMPLETED)
    begun = rows[0].kind != model.Kind.CANCEL  # one that was cancelled while it was queued has no state
    state = line.fold(-1, len(line.commits), line.commits[-1:] if not last.frame else ()) if begun else {}
    return Report(len(own), sum(task.gate is None for one in own for task in one.opened), problems, state)


@dataclass(slots=True)
class _Check:
    """The frames of a run as they are after the last commit, `own` those of its commits that are no parent's."""

    head: RunHead
    root: Part
    problems: list[str]
    parts: dict[str, Part] = field(default_factory=dict)
    seen: set[Ref] = field(default_factory=set)
    own: list[Commit] = field(default_factory=list)
    last: Commit | None = None

    def __post_init__(self) -> None:
        self.parts[ROOT] = self.root

    def say(self, commit: Commit, problem: str, wrong: bool) -> None:
        self.root.say(commit, problem, wrong)

    def row(self, row: CommitRow, commit: Commit, own: bool) -> None:
        """Check the next row."""
        self._follows(row, commit)
        if commit.kind is Kind.START and commit.task is None and self.last is not None:
            commit = self._start_over(commit)
        self.last = commit
        self.own += [commit] if own else []
        if any(ref not in self.seen for ref in commit.causes):
            return self.say(commit, "a cause does not precede it", True)
        self.seen.add(commit.ref)
        open_before = {name: task for part in self.parts.values() for name, task in part.open.items()}
        if commit.versions is not None or commit.goto is not None:
            kept = {ROOT, *(nested.frame for _, nested in commit.frames)}
            self.parts = {name: part for name, part in self.parts.items() if name in kept}
        if commit.kind is Kind.START and commit.task is not None:
            self._begin(commit)
        if own:
            wrong = not Counter(commit.closed) <= Counter(open_before.keys())
            self.say(commit, "it closes what is not open", wrong)
            self.say(commit, "it ends what is in other frames", not self._ends_inside(commit, open_before))
            wrong = commit.puts_back and not puts_back_right(commit, open_before)
            self.say(commit, "it puts back something else than what had not begun", wrong)
        place = ROOT if commit.task is None else commit.task.wave.frame
        asked = asked_right(self.parts[place].line, commit)
        self.say(commit, "an interrupt is not what was asked, or ends as it must not", not asked)
        for name in self._frames_of(commit, open_before):
            self.parts[name].take(row, self._in(commit, name), own)
        self._end(commit, open_before)

    def _follows(self, row: CommitRow, commit: Commit) -> None:
        last = self.last
        seq = last.seq + 1 if last is not None and run_key_of(last.ref) == row.run_key else 1
        follows = (row.version, row.parent) == (row.seq - 1, last and last.ref)
        follows &= row.seq >= seq if commit.kind in JUMPS else row.seq == seq
        self.say(commit, "it leaves a gap, or follows another commit than it says", not follows)
        older = seq > 1 and last is not None and commit.epoch < last.epoch
        self.say(commit, "its epoch is older than the one before", older)

    def _start_over(self, commit: Commit) -> Commit:
        """Another run of the session begins with the state that the line has come to, and nothing else of it. In
        another version the keys are kept that both define alike; what becomes of others is in its writes."""
        before, root = self.root.line, self.root
        state, graph = before.fold(-1, len(before.commits)), before.graph
        if commit.versions is not None:
            graph = root.graphs[commit.versions[1]]
            same = Change(before.graph, graph, commit.seq).kept
            state = {**initial(graph), **{name: value for name, value in state.items() if name in same}}
            wrong = commit.versions[0] != before.graph.version
            self.say(commit, f"it changes version {commit.versions[0]}, and the line has {before.graph.version}", wrong)
        earlier = {**before.earlier, **{one.ref: one for one in before.commits}}
        stops = gates.stops_of(graph, self.head.interrupt_before, self.head.interrupt_after)
        line = Line(
            self.head, graph, deep_merge(graph.config, self.head.config), self.head.input, stops=stops, ground=state,
            earlier=earlier,
        )  # fmt: skip
        self.root = Part(line, root.graphs, self.problems, snapshots=root.snapshots)
        self.parts = {ROOT: self.root}
        return replace(commit, versions=None)

    # ---- frames

    def _begin(self, commit: Commit) -> None:
        """A subgraph begins a frame: with what is mapped into it, and none of it written to what is around."""
        task, nested = commit.task, commit.frames[0][1]
        assert task is not None
        around = self.parts[task.wave.frame]
        spec, before = around.line.graph.nodes[task.node].spec, around.inside.get(task.id)
        if nested.turn == 1:
            given = spec.input_of(around.line.view(task).names())
            self.say(commit, "its input is not what is mapped into it", given != nested.input)
        turns = before.updates if before is not None and nested.turn > 1 else ()
        line = Line(
            self.head, spec.child, deep_merge(spec.child.config, around.line.config), nested.input,
            stops=gates.stops_inside(around.line.stops, task.node, spec.child), asked=self.root.line.asked,
        )  # fmt: skip
        part = Part(line, {}, self.problems, updates=(*turns, *nested.updates))
        self.say(commit, "its task is not open, or runs another graph", around.open.get(task.id) != task)
        self.parts[nested.frame] = around.inside[task.id] = part

    def _frames_of(self, commit: Commit, open_before: Mapping[str, Task]) -> list[str]:
        """The frames in which a commit is to be checked: the one whose history it is a part of, first."""
        found = dict.fromkeys((commit.frame,))
        if commit.kind in EDITS or commit.kind is Kind.RETRY or commit.puts_back:
            found.update((task.wave.frame, None) for task in commit.opened)
            found.update((open_before[name].wave.frame, None) for name in commit.closed if name in open_before)
        return [name for name in found if name in self.parts]

    def _in(self, commit: Commit, name: str) -> Commit:
        """What a commit is in one frame."""
        part = self.parts[name]
        closed = tuple(one for one in commit.closed if one in part.open)
        gone = tuple(one for one in commit.cancelled if one.task.wave.frame == name)
        here = replace(part_of(commit, name), closed=closed, cancelled=gone)
        if commit.kind is Kind.START and commit.task is not None:
            root = Task(id=commit.task.id, wave=Wave(START, frame=name), causes=(), level=0)
            return replace(here, task=root, causes=())
        return here if name == commit.frame else replace(here, writes=())

    def _ends_inside(self, commit: Commit, open_before: Mapping[str, Task]) -> bool:
        """Whether what a commit closes in other frames is inside a frame that ends with it."""
        if commit.kind in EDITS or commit.kind is Kind.RETRY or commit.puts_back:
            return True
        ending = [name for name, part in self.parts.items() if self._is_ending(commit, name, part)]
        closed = [open_before[name] for name in commit.closed if name in open_before]
        others = [one.wave.frame for one in closed if one.wave.frame != commit.frame]
        return all(any(is_inside(frame, outer) for outer in ending) for frame in others)

    def _is_ending(self, commit: Commit, name: str, part: Part) -> bool:
        if name == ROOT:
            return False
        runs = [task for around in self.parts.values() for task, inner in around.inside.items() if inner is part]
        closed = {*commit.closed, *(one.task.id for one in commit.cancelled)}
        whole = commit.handle == BROKEN and commit.kind is Kind.FAILURE and commit.task is not None
        broken = whole and commit.task is not None and commit.task.id in runs
        return broken or any(task in closed for task in runs)

    def _end(self, commit: Commit, open_before: Mapping[str, Task]) -> None:
        """Forget frames that are over, and have those go on that a fork has given other tasks."""
        if commit.handle == BROKEN and commit.task is not None and commit.error is not None:
            around = self.parts[commit.task.wave.frame]
            if commit.kind is Kind.FAILURE:
                around.inside[commit.task.id].end(commit.error)
            else:
                around.errors[commit.ref] = commit.error
        again = {nested.frame for _, nested in commit.frames}
        ended = [name for name, part in self.parts.items() if name not in again and self._is_over(commit, name, part)]
        for name in [name for name in self.parts if name and any(is_inside(name, outer) for outer in ended)]:
            del self.parts[name]
        for task_id, nested in commit.frames if commit.kind is not Kind.START else ():
            part = self.parts[nested.frame]
            for around in self.parts.values():
                around.inside = {name: inner for name, inner in around.inside.items() if inner is not part}
            opened = next(task for task in commit.opened if task.id == task_id)
            self.parts[opened.wave.frame].inside[task_id] = part

    def _is_over(self, commit: Commit, name: str, part: Part) -> bool:
        if name == ROOT:
            return False
        runs = [task for around in self.parts.values() for task, inner in around.inside.items() if inner is part]
        return not runs or any(task in commit.closed for task in runs)
