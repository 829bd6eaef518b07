"""The causal fold: what a task sees, and the state that is shown.

A task sees the state after its dominator (the last commit through which all its causes passed) with the commits
between, in canonical order. Commits before a *cut*, a commit that everything active descends from, are folded away,
so that what is kept is the parallel section under way and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import pairwise

from engine.fold import Edit, Entry, Order, by_edits, fold, writes_of
from engine.graph import ERROR_HANDLE, Graph
from engine.model import EDITS, Commit, ErrorInfo, Folded, Ref, Task, TaskId, Updates
from engine.sources import Sources
from engine.state import State, check_merged, durable, fleeting, initial, reduced
from engine.values import replace


@dataclass(slots=True)
class History:
    """What is remembered of a run's line: the entries since the last cut, and the edits among them."""

    graph: Graph
    entries: dict[Ref, Entry] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    clock: int = 0
    root: Ref | None = None
    max_level: int = 0
    tips: set[Ref] = field(default_factory=set)
    base_shown: State = field(default_factory=dict)
    folded: dict[Ref, Folded] = field(default_factory=dict)
    """Those of the tips that are folded away, or were at the last cut, in canonical order."""
    _followed: list[Ref] = field(default_factory=list)
    """Those of them that something has followed since."""
    plain: bool = True
    swallowed: bool = False
    """Whether a task saw commits since the last cut that were folded away beside the root."""
    last: Updates = ()
    opened_at: dict[TaskId, int] = field(default_factory=dict)
    views: dict[TaskId, State] = field(default_factory=dict)
    ground: State | None = None
    """The state that it begins with, where that is none of its own: what another one had come to."""
    sources: Sources = field(init=False)
    """Where the values after the root come from."""

    def __post_init__(self) -> None:
        self.sources = Sources(self.graph.state)

    # ---- what a task sees

    def causal(self, task: Task) -> State:
        """The durable state that the task sees. Raises StateInvalid where branches do not merge to a valid state."""
        if (known := self.views.get(task.id)) is not None:
            return known
        causes = [self.entries[ref] for ref in task.causes if ref in self.entries]
        until = self.opened_at.get(task.id, self.clock)
        if self._is_whole(task):
            found = self._whole(causes, until, strict=True)
        elif len(causes) == 1 and not self.edits:
            return causes[0].state
        else:
            found = self._merge(causes, until)
        self.views[task.id] = found
        return found

    def view(self, task: Task) -> State:
        """The state that the task sees, with the ephemeral keys that its direct causes wrote."""
        state, causes = self.causal(task), task.causes
        if len(causes) == 1:
            return self._with_fleeting(state, self._fleeting(causes[0]))
        return self._with_fleeting(state, tuple(w for ref in causes for w in self._fleeting(ref)))

    def errors(self, task: Task) -> tuple[ErrorInfo, ...]:
        """The errors of the causes that came over an error edge, in canonical order."""
        if task.whole:
            return ()
        found = (self.entries[ref].error for ref in task.causes if ref in self.entries)
        return tuple(error for error in found if error is not None)

    def _fleeting(self, ref: Ref) -> Updates:
        if (entry := self.entries.get(ref) or self.folded.get(ref)) is not None:
            return entry.fleeting
        return next((edit.fleeting for edit in self.edits if edit.ref == ref), ())

    def _is_whole(self, task: Task) -> bool:
        """Whether a task sees everything that was committed before. One whose causes are all folded away, as a send
        that begins anew once its items have begun, sees what it saw: the state after the root, and nothing beside."""
        return task.whole and any(ref in self.entries for ref in task.causes)

    def _merge(self, causes: Sequence[Entry], until: int, *, strict: bool = True) -> State:
        meet = self.dominator_of(causes)
        edits = [edit for edit in self.edits if meet.at < edit.at <= until]
        between = self._between(meet, causes) if len(causes) > 1 else []
        if not between and not edits:
            return meet.state
        below = self.base_shown if any(entry.whole for entry in between) and meet.ref == self.root else meet.state
        state = fold(self.graph, below, between, edits, strict=strict)
        if strict:
            check_merged(self.graph, state, {name for entry in between for name, _ in entry.writes})
        return state

    def _whole(self, causes: Sequence[Entry], until: int, *, strict: bool) -> State:
        """The durable state after everything that was committed before a task: `causes` are all ends of the line."""
        assert self.root is not None
        entries = self._between(self.entries[self.root], causes)
        state = fold(
            self.graph, self.base_shown, entries, [edit for edit in self.edits if edit.at <= until], strict=strict
        )
        if strict:
            check_merged(self.graph, state, set(state))
        return state

    def ends(self, coming: Entry | None) -> tuple[Folded, ...]:
        """The commits that no other one has as a cause once `coming` is there, in canonical order."""
        gone = coming.causes if coming is not None else ()
        early = [end for ref, end in self.folded.items() if ref in self.tips and ref not in gone]
        since = [self.entries[ref] for ref in self.tips if ref not in self.folded and ref not in gone]
        late = self.sorted([*since, *([coming] if coming is not None else [])])
        return (*early, *(Folded(entry.ref, entry.task_id, entry.fleeting) for entry in late))

    def merged(self, causes: Sequence[Ref]) -> State:
        """The durable state after these commits, as a task that they cause now would see it."""
        return self._merge([self.entries[ref] for ref in causes if ref in self.entries], self.clock)

    def dominator_of(self, causes: Sequence[Entry]) -> Entry:
        """The last commit through which every path to all `causes` leads (one cause: that cause)."""
        if not causes:
            assert self.root is not None
            return self.entries[self.root]
        meet = causes[0]
        for other in causes[1:]:
            while meet is not other:
                if meet.depth >= other.depth:
                    meet = self._above(meet)
                else:
                    other = self._above(other)
        return meet

    def _above(self, entry: Entry) -> Entry:
        assert entry.dominator is not None
        return self.entries[entry.dominator]

    def _between(self, meet: Entry, causes: Iterable[Entry]) -> list[Entry]:
        found: dict[Ref, Entry] = {}
        todo = list(causes)
        while todo:
            entry = todo.pop()
            if entry is meet or entry.ref in found:
                continue
            found[entry.ref] = entry
            todo += [self.entries[ref] for ref in entry.causes if ref in self.entries]
        return self.sorted(found.values())

    # ---- canonical order

    def sorted(self, entries: Iterable[Entry]) -> list[Entry]:
        """Entries in canonical order: level, position, item index, the causes' own order, edges (language 3.1)."""
        found = sorted(entries, key=lambda entry: entry.order)
        if any(one.order == other.order for one, other in pairwise(found)):
            found.sort(key=cmp_to_key(self.compare))
        return found

    def in_order(self, refs: Iterable[Ref], coming: Entry) -> tuple[Entry, ...]:
        """The entries of refs in canonical order, each once; `coming` is the commit that is being planned."""
        found = {ref: coming if ref == coming.ref else self.entries[ref] for ref in refs}
        return tuple(self.sorted(found.values())) if len(found) > 1 else tuple(found.values())

    def compare(self, one: Entry, other: Entry) -> int:
        """Negative where `one` comes before `other` in canonical order."""
        while one is not other:
            if one.order != other.order:
                return -1 if one.order < other.order else 1
            if one.node != other.node:  # which stand at one position in different versions of the workflow
                return -1 if one.node < other.node else 1
            above = zip(one.causes, other.causes, strict=False)
            apart = next(((a, b) for a, b in above if a != b and a in self.entries and b in self.entries), None)
            if apart is None:
                mine, theirs = (len(one.causes), one.edges, one.at), (len(other.causes), other.edges, other.at)
                return -1 if mine < theirs else 1
            one, other = self.entries[apart[0]], self.entries[apart[1]]
        return 0

    # ---- what a commit adds

    def before(self) -> State:
        """The durable state before the first commit."""
        return initial(self.graph) if self.ground is None else self.ground

    def begin(self, commit: Commit) -> None:
        """Begin with the start of a run or frame."""
        self.clock += 1
        writes = durable(self.graph, commit.writes)
        self.last = fleeting(self.graph, commit.writes)
        state = fold(self.graph, self.before(), [Entry(commit.ref, 0, (0, -1, -1), {}, writes)], [])
        root = Entry(commit.ref, self.clock, (commit.level or 0, -1, -1), state, writes, self.last)
        self.root, self.entries, self.tips = commit.ref, {commit.ref: root}, {commit.ref}
        self.base_shown = state
        self._trace([root], [])

    def add(self, commit: Commit, order: Order, fresh: State | None = None) -> Entry:
        """Take up a commit with a level. `fresh` are the keys it changes, where they are known already."""
        task = commit.task
        assert task is not None
        self.clock += 1
        causes = commit.causes
        parents = [self.entries[ref] for ref in causes if ref in self.entries]
        whole = causes == task.causes and self._is_whole(task)
        meet = self.dominator_of([] if whole else parents)
        writes, passing = durable(self.graph, commit.writes), fleeting(self.graph, commit.writes)
        state = self._after(task, causes, writes, fresh if not passing else None)
        entry = Entry(
            commit.ref, self.clock, order, state, writes, passing, causes, task.ways, meet.ref, meet.depth + 1,
            commit.error if commit.handle == ERROR_HANDLE else None, task.id, task.node, whole,
        )  # fmt: skip
        self.entries[commit.ref] = entry
        if whole and len(self.folded) > 1:
            self.swallowed = True
        self.tips.difference_update(causes)
        if len(self.folded) > 1:
            self._followed += [ref for ref in causes if ref in self.folded]
        self.tips.add(commit.ref)
        self.max_level = max(self.max_level, order[0])
        self.last = passing
        return entry

    def _after(self, task: Task, causes: tuple[Ref, ...], writes: Updates, fresh: State | None) -> State:
        own = causes == task.causes
        since = self.opened_at.get(task.id, self.clock) if own else self.clock
        view = self.views.get(task.id) if own else None
        if view is None:  # not strict: who sees branches that do not merge has failed, and may go on by its error edge
            seen = [self.entries[ref] for ref in causes if ref in self.entries]
            view = (self._whole if own and self._is_whole(task) else self._merge)(seen, since, strict=False)
        later = [edit for edit in self.edits if edit.at > since]
        if later or fresh is None:
            last = [Entry(Ref(0), self.clock, (0, 0, 0), {}, writes)] if writes else []
            return fold(self.graph, view, last, later) if later or last else view
        return {**view, **fresh} if fresh else view

    def edit(self, commit: Commit) -> None:
        """Take up a commit outside the causal order."""
        self.clock += 1
        self.last = fleeting(self.graph, commit.writes)
        if commit.writes and commit.kind in EDITS:
            self.edits.append(Edit(commit.ref, self.clock, durable(self.graph, commit.writes), self.last))

    def cut(self, entry: Entry) -> None:
        """Fold away everything before a commit that everything active descends from."""
        if self.swallowed:
            self._lose(self.sources)
            self.swallowed = False
        self._fold_ends()
        self.plain = self.tips == {entry.ref}
        self.base_shown = entry.state if self.plain else self.lasting()
        if self.root is not None and entry.causes != (self.root,):
            self._trace(self._between(self.entries[self.root], [entry]), self.edits)
        else:
            self._trace([entry], self.edits)
        entry.causes, entry.dominator, entry.depth = (), None, 0
        self.root, self.entries, self.edits = entry.ref, {entry.ref: entry}, []
        self.views.clear()

    def _fold_ends(self) -> None:
        """Keep of the ends what is needed of them, at a cost that does not grow with how many there are."""
        if len(self.folded) <= 1:
            self.folded = {}
        for ref in self._followed:
            self.folded.pop(ref, None)
        self._followed = []
        late = self.sorted([self.entries[ref] for ref in self.entries if ref in self.tips and ref not in self.folded])
        self.folded.update((entry.ref, Folded(entry.ref, entry.task_id, entry.fleeting)) for entry in late)

    def _lose(self, sources: Sources) -> None:
        """Forget where the values come from of keys that were written by commits folded away beside the root."""
        assert self.root is not None
        before = self.entries[self.root].state
        for name, value in self.base_shown.items():
            if before.get(name) != value:
                sources.lose(name)

    def _trace(self, entries: Sequence[Entry], edits: Sequence[Edit], sources: Sources | None = None) -> None:
        """Note who wrote what, in the order in which the writes are folded."""
        names = {name: 0 for some in (entries, edits) for one in some for name, _ in one.writes}
        for name in names:
            writes = by_edits(name, entries, edits) if edits else writes_of(name, entries)
            (sources or self.sources).trace(name, writes)

    def adopt(self, graph: Graph, kept: frozenset[str]) -> None:
        """Go on with another version of the workflow: of what was written only these keys count, others begin anew."""
        fresh = initial(graph)

        def moved(state: State) -> State:
            return {**fresh, **{name: value for name, value in state.items() if name in kept}}

        def of(writes: Updates) -> Updates:
            return tuple(write for write in writes if write[0] in kept)

        for entry in self.entries.values():
            entry.state, entry.writes, entry.fleeting = moved(entry.state), of(entry.writes), of(entry.fleeting)
        for edit in self.edits:
            edit.writes, edit.fleeting = of(edit.writes), of(edit.fleeting)
        self.folded = {ref: replace(end, fleeting=of(end.fleeting)) for ref, end in self.folded.items()}
        self.base_shown, self.last = moved(self.base_shown), of(self.last)
        self.sources.adopt(graph.state, kept)
        self.views.clear()
        self.graph = graph

    # ---- what is shown

    def shown(self) -> State:
        """The fold of everything committed, in canonical order, and the ephemeral keys of the last commit."""
        return self._with_fleeting(self.lasting(), self.last)

    def _with_fleeting(self, state: State, passing: Updates) -> State:
        if not passing:
            return state
        fresh: State = {}
        for name, update in passing:
            fresh[name] = reduced(self.graph.state[name], fresh.get(name), update)
        return {**state, **fresh}

    def lasting(self) -> State:
        """The state shown but for ephemeral keys."""
        later = self._later()
        if not later and not self.edits:
            return self.base_shown
        return fold(self.graph, self.base_shown, later, self.edits)

    def _later(self) -> list[Entry]:
        return self.sorted(entry for entry in self.entries.values() if entry.ref != self.root)

    def settled(self) -> tuple[State, Sources]:
        """The state shown but for ephemeral keys, and where its values come from, for what goes on from there."""
        sources = self.sources.copy()
        if self.swallowed or not self.plain:
            self._lose(sources)
        self._trace(self._later(), self.edits, sources)
        return self.lasting(), sources
