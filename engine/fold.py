"""The fold: what commits and edits wrote, in canonical order and by the time of the edits, onto a state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import StateInvalid
from engine.graph import Graph
from engine.missing import MISSING
from engine.model import ErrorInfo, Ref, Updates
from engine.state import State, folded, reduced
from reducers._errors import UpdateError

Order = tuple[int, int, int]


@dataclass(slots=True)
class Entry:
    """A commit in the causal graph. `at` is its place on the line, `state` what its descendants start from."""

    ref: Ref
    at: int
    order: Order
    state: State
    writes: Updates = ()
    fleeting: Updates = ()
    causes: tuple[Ref, ...] = ()
    edges: tuple[int, ...] = ()
    dominator: Ref | None = None
    depth: int = 0
    error: ErrorInfo | None = None
    task_id: str = ""
    node: str = ""
    whole: bool = False
    """Whether its task saw everything that was committed before."""


@dataclass(slots=True)
class Edit:
    """Writes outside the causal order: each key comes after what was committed before it, before what comes later."""

    ref: Ref
    at: int
    writes: Updates
    fleeting: Updates = ()


def fold(graph: Graph, base: State, entries: Sequence[Entry], edits: Sequence[Edit], *, strict: bool = False) -> State:
    """`base` with the writes of entries in the given (canonical) order, and of edits by the time of their commit.

    With `strict` an update that its reducer refuses raises StateInvalid; else it leaves its key as it was, which
    happens only in states that are nobody's view.
    """
    edited = {name for edit in edits for name, _ in edit.writes}
    writes = [write for entry in entries for write in entry.writes if write[0] not in edited]
    for name in edited:
        writes += ((name, update) for _, update in by_edits(name, entries, edits))
    updates: dict[str, list[object]] = {}
    for name, update in writes:
        updates.setdefault(name, []).append(update)
    state = dict(base)
    try:
        for name, found in updates.items():
            if (value := folded(graph.state[name], state.get(name, MISSING), found, strict=strict)) is not MISSING:
                state[name] = value
    except UpdateError:
        raise _first_refused(graph, base, writes) from None
    return state


def _first_refused(graph: Graph, base: State, writes: Iterable[tuple[str, Any]]) -> StateInvalid:
    """What is wrong with the first of these writes that its reducer refuses."""
    state = dict(base)
    for name, update in writes:
        try:
            state[name] = reduced(graph.state[name], state.get(name), update)
        except UpdateError as error:
            return StateInvalid(name, str(error))
    raise AssertionError("none is refused")


def writes_of(name: str, entries: Iterable[Entry]) -> Iterable[tuple[Ref, Any]]:
    return ((entry.ref, update) for entry in entries for key, update in entry.writes if key == name)


def by_edits(name: str, entries: Sequence[Entry], edits: Sequence[Edit]) -> Iterable[tuple[Ref, Any]]:
    """The updates of one key: what was committed before an edit, the edit, what was committed after it."""
    done = -1
    mine = [edit for edit in edits if any(key == name for key, _ in edit.writes)]
    for edit in (*mine, None):
        until = edit.at if edit else None
        for entry in entries:
            if done < entry.at and (until is None or entry.at < until):
                yield from ((entry.ref, update) for key, update in entry.writes if key == name)
        if edit:
            yield from ((edit.ref, update) for key, update in edit.writes if key == name)
            done = edit.at
