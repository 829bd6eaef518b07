"""Who wrote what stands at a path of the state: the writes of one key in the order in which they are folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engine.codec import same
from engine.graph import Graph, StateKey
from engine.history import Entry, History, Order
from engine.missing import MISSING
from engine.model import CAUSAL, EDITS, Commit, Ref
from engine.paths import Path, lookup
from engine.state import initial, reduced
from reducers._effect import Effect
from reducers._errors import UpdateError
from reducers._overwrite import is_overwrite


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to a place: `value` is what it wrote there (MISSING: it took away what was there)."""

    commit: Commit
    effect: Effect
    value: Any


# ---- in which order


def is_write(commit: Commit, name: str) -> bool:
    """Whether a commit writes a key of the state."""
    taken = commit.kind in CAUSAL or commit.kind in EDITS
    return taken and any(written == name for written, _ in commit.writes)


def order_of(graph: Graph, commit: Commit) -> Order:
    """Where a commit stands in canonical order, but for ties; a node that is gone from the graph has no position."""
    task, level = commit.task, commit.level or 0
    if task is None:
        return level, -1, -1
    node = graph.nodes.get(task.node)
    return level, -1 if node is None else node.position, -1 if task.index is None else task.index


def tied(graph: Graph, commits: Iterable[Commit]) -> bool:
    """Whether commits can only be put in order by looking at their causes."""
    orders = sorted(order_of(graph, commit) for commit in commits if commit.kind in CAUSAL)
    return any(one == other for one, other in pairwise(orders))


def folded_order(graph: Graph, writers: Sequence[Commit], line: Sequence[Commit] = ()) -> list[Commit]:
    """The commits that write a key, given in the order of the line, in the order in which they are folded: canonical,
    and an edit after what was committed before it. `line` has all commits where some are tied."""
    history = History(graph, entries=_entries(graph, line or writers))
    found: list[Commit] = []
    section: list[Commit] = []
    for commit in writers:
        if commit.kind in CAUSAL:
            section.append(commit)
        else:
            found += [*_canonical(history, section), commit]
            section = []
    return [*found, *_canonical(history, section)]


def _entries(graph: Graph, commits: Iterable[Commit]) -> dict[Ref, Entry]:
    return {
        commit.ref: Entry(
            commit.ref, at, order_of(graph, commit), {}, causes=commit.causes,
            edges=commit.task.ways if commit.task is not None else (),
        )
        for at, commit in enumerate(commits)
        if commit.kind in CAUSAL
    }  # fmt: skip


def _canonical(history: History, section: Sequence[Commit]) -> list[Commit]:
    named: Mapping[Ref, Commit] = {commit.ref: commit for commit in section}
    return [named[entry.ref] for entry in history.sorted(history.entries[ref] for ref in named)]


# ---- what each did


def changes(key: StateKey, path: Path, first: Any, commits: Iterable[Commit]) -> Iterator[Change | None]:
    """What each update of a key did to the place at `path` inside its value, or None, in the order of the commits."""
    for commit, before, update, after in values(key, first, commits):
        yield change(key, path, commit, before, update, after)


def first_value(graph: Graph, key: StateKey) -> Any:
    """What a key is before anything is written (None: absent)."""
    return None if key.ephemeral else initial(graph).get(key.name)


def values(key: StateKey, value: Any, commits: Iterable[Commit]) -> Iterator[tuple[Commit, Any, Any, Any]]:
    """Each update of a key: its commit, the value before it, the update, the value after it. An update that the
    reducer refuses is left out, as it leaves the key as it was."""
    for commit in commits:
        for name, update in commit.writes:
            if name == key.name:
                try:
                    after = reduced(key, value, update)
                except UpdateError:
                    continue
                yield commit, value, update, after
                value = after


def change(key: StateKey, path: Path, commit: Commit, before: Any, update: Any, after: Any) -> Change | None:
    """What an update did to the place at `path` inside the value of its key; None where it has nothing to do with it.
    The path is as the reducer names places that move: see `fixed`."""
    effect = _effect(key, path, before, update, after)
    if effect is Effect.NONE:
        return None
    if effect is Effect.ADDS:
        return Change(commit, effect, lookup(update, path))
    value = _found(key, after, path)
    if value is MISSING and _found(key, before, path) is MISSING:
        return None
    return Change(commit, effect, value)


def _effect(key: StateKey, path: Path, before: Any, update: Any, after: Any) -> Effect:
    if is_overwrite(update):
        return Effect.REPLACES
    if key.reducer.effect is not None:
        return key.reducer.effect(before, update, path)
    one, other = _found(key, before, path), _found(key, after, path)
    if one is MISSING or other is MISSING:
        return Effect.NONE if one is other else Effect.REPLACES
    return Effect.NONE if same(one, other) else Effect.REPLACES


def fixed(key: StateKey, value: Any, path: Path) -> Path:
    """A path inside a value by names that stay when others are removed; itself where the reducer has none."""
    return path if key.reducer.stable is None else key.reducer.stable(value, path)


def _found(key: StateKey, value: Any, path: Path) -> Any:
    return lookup(value, path if key.reducer.located is None else key.reducer.located(value, path))
