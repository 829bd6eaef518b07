"""Who wrote what stands at a path of the state: the writes of one key in the order in which they are folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any

from engine.codec import same
from engine.fold import Entry, Order
from engine.graph import Graph, StateKey
from engine.history import History
from engine.missing import MISSING
from engine.model import CAUSAL, EDITS, Commit, Ref
from engine.paths import Path, lookup
from engine.ports import CommitRow
from engine.record import Writing, decode
from engine.state import Running, initial
from engine.values import dataclass
from reducers._effect import Effect
from reducers._errors import UpdateError
from reducers._overwrite import is_overwrite


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did to a place: `value` is what it wrote there (MISSING: it took away what was there)."""

    writing: Writing
    effect: Effect
    value: Any


# ---- in which order


def is_write(writing: Writing, name: str) -> bool:
    """Whether a commit writes a key of the state."""
    taken = writing.kind in CAUSAL or writing.kind in EDITS
    return taken and any(written == name for written, _ in writing.writes)


def order_of(graph: Graph, writing: Writing) -> Order:
    """Where a commit stands in canonical order, but for ties; a node that is gone from the graph has no position."""
    return _order(graph, writing.node, writing.level, writing.item)


def _order(graph: Graph, name: str | None, level: int | None, item: int | None) -> Order:
    node = graph.nodes.get(name) if name is not None else None
    return level or 0, -1 if node is None else node.position, -1 if item is None else item


def _order_of_commit(graph: Graph, commit: Commit) -> Order:
    task = commit.task
    node, item = (None, None) if task is None else (task.node, task.index)
    return _order(graph, node, commit.level, item)


def tied(graph: Graph, writers: Iterable[Writing]) -> bool:
    """Whether commits can only be put in order by looking at their causes."""
    orders = sorted(order_of(graph, one) for one in writers if one.kind in CAUSAL)
    return any(one == other for one, other in pairwise(orders))


def folded_order(graph: Graph, writers: Sequence[Writing], line: Sequence[CommitRow] = ()) -> list[Writing]:
    """The commits that write a key, given in the order of the line, in the order in which they are folded: canonical,
    and an edit after what was committed before it. `line` has all rows where some are tied."""
    history = History(graph, entries=_entries(graph, line))
    found: list[Writing] = []
    section: list[Writing] = []
    for one in writers:
        if one.kind in CAUSAL:
            section.append(one)
        else:
            found += [*_canonical(history, section), one]
            section = []
    return [*found, *_canonical(history, section)]


def _entries(graph: Graph, rows: Iterable[CommitRow]) -> dict[Ref, Entry]:
    return {
        commit.ref: Entry(
            commit.ref, at, _order_of_commit(graph, commit), {}, causes=commit.causes,
            edges=commit.task.ways if commit.task is not None else (),
        )
        for at, commit in enumerate(map(decode, rows))
        if commit.kind in CAUSAL and not commit.frame
    }  # fmt: skip


def _canonical(history: History, section: Sequence[Writing]) -> list[Writing]:
    if not history.entries:
        return sorted(section, key=lambda one: order_of(history.graph, one))
    named: Mapping[Ref, Writing] = {one.ref: one for one in section}
    return [named[entry.ref] for entry in history.sorted(history.entries[ref] for ref in named)]


# ---- what each did


def changes(
    key: StateKey, path: Path, first: Any, writers: Iterable[Writing]
) -> Iterator[tuple[Running, Change | None]]:
    """After each update of a key, in order: its value, and what the update did to the place at `path` inside it. One
    that the reducer refuses leaves the key as it was."""
    running = Running(key, first, in_place=key.reducer.effect is not None)
    for writer in writers:
        for name, update in writer.writes:
            if name == key.name:
                yield running, _change(running, path, writer, update)


def updates_of(key: StateKey, writers: Iterable[Writing]) -> Iterator[Any]:
    """The updates of a key, in order."""
    return (update for writer in writers for name, update in writer.writes if name == key.name)


def first_value(graph: Graph, key: StateKey) -> Any:
    """What a key is before anything is written; MISSING where it is absent."""
    return MISSING if key.ephemeral else initial(graph).get(key.name, MISSING)


def _change(running: Running, path: Path, writer: Writing, update: Any) -> Change | None:
    """Take an update: what it did to the place at `path` inside the value of its key, None where it has nothing to do
    with it. The path is as the reducer names places that move: see `fixed`."""
    key = running.key
    try:
        effect = _told(key, running.value, update, path)
        was = MISSING if effect in (Effect.NONE, Effect.ADDS) else _found(key, running.value, path)
        running.take(update)
    except UpdateError:
        return None
    if effect is Effect.ADDS:
        return Change(writer, effect, lookup(update, path))
    if effect is Effect.NONE:
        return None
    value = _found(key, running.value, path)
    if value is MISSING and was is MISSING:
        return None
    if effect is None and value is not MISSING and was is not MISSING and same(was, value):
        return None
    return Change(writer, Effect.REPLACES, value if path else copy(value))


def _told(key: StateKey, before: Any, update: Any, path: Path) -> Effect | None:
    """The effect of an update as far as it can be told beforehand; None: by what is there after it."""
    if is_overwrite(update):
        return Effect.REPLACES
    if key.reducer.effect is None:
        return None
    return key.reducer.effect(None if before is MISSING else before, update, path)


def fixed(key: StateKey, value: Any, path: Path) -> Path:
    """A path inside a value by names that stay when others are removed; itself where the reducer has none."""
    return path if key.reducer.stable is None or value is MISSING else key.reducer.stable(value, path)


def _found(key: StateKey, value: Any, path: Path) -> Any:
    if value is MISSING:
        return MISSING
    return lookup(value, path if key.reducer.located is None else key.reducer.located(value, path))
