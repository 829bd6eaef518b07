"""Who wrote what stands at a path of the state: the writes of one key in the order in which they are folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from engine.codec import same
from engine.fold import Entry, Order
from engine.graph import Graph, StateKey
from engine.history import History
from engine.missing import MISSING
from engine.model import CAUSAL, EDITS, Ref
from engine.paths import Path, lookup
from engine.ports import CommitRow
from engine.record import Writing, decode, writing
from engine.state import initial, reduced
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
    node = graph.nodes.get(writing.node) if writing.node is not None else None
    return writing.level or 0, -1 if node is None else node.position, -1 if writing.item is None else writing.item


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
            commit.ref, at, order_of(graph, writing(row)), {}, causes=commit.causes,
            edges=commit.task.ways if commit.task is not None else (),
        )
        for at, (row, commit) in enumerate((row, decode(row)) for row in rows)
        if commit.kind in CAUSAL and not commit.frame
    }  # fmt: skip


def _canonical(history: History, section: Sequence[Writing]) -> list[Writing]:
    if not history.entries:
        return sorted(section, key=lambda one: order_of(history.graph, one))
    named: Mapping[Ref, Writing] = {one.ref: one for one in section}
    return [named[entry.ref] for entry in history.sorted(history.entries[ref] for ref in named)]


# ---- what each did


def changes(key: StateKey, path: Path, first: Any, writers: Iterable[Writing]) -> Iterator[tuple[Any, Change | None]]:
    """After each update of a key, in order: its value, and what the update did to the place at `path` inside it."""
    for writer, before, update, after in values(key, first, writers):
        yield after, change(key, path, writer, before, update, after)


def first_value(graph: Graph, key: StateKey) -> Any:
    """What a key is before anything is written (None: absent)."""
    return None if key.ephemeral else initial(graph).get(key.name)


def values(key: StateKey, value: Any, writers: Iterable[Writing]) -> Iterator[tuple[Writing, Any, Any, Any]]:
    """Each update of a key: its commit, the value before it, the update, the value after it. An update that the
    reducer refuses is left out, as it leaves the key as it was."""
    for writer in writers:
        for name, update in writer.writes:
            if name == key.name:
                try:
                    after = reduced(key, value, update)
                except UpdateError:
                    continue
                yield writer, value, update, after
                value = after


def change(key: StateKey, path: Path, writer: Writing, before: Any, update: Any, after: Any) -> Change | None:
    """What an update did to the place at `path` inside the value of its key; None where it has nothing to do with it.
    The path is as the reducer names places that move: see `fixed`."""
    effect = _effect(key, path, before, update, after)
    if effect is Effect.NONE:
        return None
    if effect is Effect.ADDS:
        return Change(writer, effect, lookup(update, path))
    value = _found(key, after, path)
    if value is MISSING and _found(key, before, path) is MISSING:
        return None
    return Change(writer, effect, value)


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
