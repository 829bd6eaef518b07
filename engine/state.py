"""Writes through reducers: how updates become state, and what is wrong with one that does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.errors import StateInvalid, UnknownKey
from engine.graph import Graph, StateKey
from engine.missing import MISSING
from engine.model import Updates
from engine.plugins import Fold
from reducers._errors import UpdateError
from reducers._overwrite import is_overwrite

State = dict[str, Any]


def reduced(key: StateKey, current: Any, update: Any) -> Any:
    """The value of `key` after one update; `current` is None where the key is absent."""
    if update.__class__ is dict and is_overwrite(update):
        return update["value"]
    return key.reducer.reduce(current, update)


def folded(key: StateKey, current: Any, updates: Iterable[Any], *, strict: bool = False) -> Any:
    """The value of `key` after updates in their order, MISSING where it is absent, as before. One that the reducer
    refuses leaves it as it was; with `strict` it raises UpdateError."""
    running, some, at = Running(key, current), list(updates), 0
    while (at := running.extend(some, at)) < len(some):
        try:
            running.take(some[at])
        except UpdateError:
            if strict:
                raise
        at += 1
    return running.value


class Running:
    """The value of a key while updates are taken one after the other, MISSING where it is absent. The next update may
    change it where `in_place` is set: who keeps it, copies it."""

    __slots__ = ("_fold", "_folds", "_value", "key")

    def __init__(self, key: StateKey, current: Any, *, in_place: bool = True) -> None:
        self.key, self._value = key, current
        self._folds = key.reducer.fold if in_place else None
        self._fold: Fold | None = None

    @property
    def value(self) -> Any:
        return self._value if self._fold is None else self._fold.value

    def extend(self, updates: Sequence[Any], start: int) -> int:
        """Take those from `start` on that are quickly taken; the place of the first that is not."""
        return start if self._fold is None else self._fold.extend(updates, start)

    def take(self, update: Any) -> None:
        """Take an update. Raises UpdateError, and changes nothing, for one that the reducer refuses."""
        reducer = self.key.reducer
        if reducer.replaces or is_overwrite(update):
            self._value, self._fold = reduced(self.key, None, update), None
            return
        current = None if self._value is MISSING else self._value
        if self._folds is None:
            self._value = reducer.reduce(current, update)
            return
        if self._fold is None:
            made = self._folds(current)
            made.add(update)
            self._fold = made
        else:
            self._fold.add(update)


def applied(graph: Graph, state: State, writes: Iterable[tuple[str, Any]], refused: set[str] | None = None) -> State:
    """`state` with these writes in their order; one that its reducer refuses leaves its key as it was, whose name is
    added to `refused`."""
    for name, update in writes:
        try:
            state[name] = reduced(graph.state[name], state.get(name), update)
        except UpdateError:
            if refused is not None:
                refused.add(name)
    return state


def initial(graph: Graph) -> State:
    """Defaults and empty values of the durable keys (language 2.1)."""
    state: State = {}
    for key in graph.state.values():
        if key.ephemeral:
            continue
        if key.default is not MISSING:
            state[key.name] = key.default
        elif key.reducer.empty is not MISSING:
            state[key.name] = key.reducer.empty
    return state


def normalised(graph: Graph, updates: Iterable[tuple[str, Any]], origin: str) -> Updates:
    """The updates as they are committed: keys known, and message ids given once. Raises UnknownKey."""
    found: list[tuple[str, Any]] = []
    for place, (name, update) in enumerate(updates):
        key = graph.state.get(name)
        if key is None:
            raise UnknownKey(name, sorted(graph.state))
        if key.reducer.normalise is not None:
            update = _with_origin(key, update, f"{origin}/{place}" if place else origin)
        found.append((name, update))
    return tuple(found)


def _with_origin(key: StateKey, update: Any, origin: str) -> Any:
    assert key.reducer.normalise is not None
    try:
        if is_overwrite(update):
            return {**update, "value": key.reducer.normalise(update["value"], origin)}
        return key.reducer.normalise(update, origin)
    except UpdateError as error:
        raise StateInvalid(key.name, str(error)) from None


def changed(graph: Graph, view: Mapping[str, Any], writes: Updates) -> State:
    """The keys that `writes` change, reduced on a task's own view and validated. Raises StateInvalid."""
    after: State = {}
    for name, update in writes:
        key = graph.state[name]
        current = after[name] if name in after else None if key.ephemeral else view.get(name)
        try:
            value = reduced(key, current, update)
        except UpdateError as error:
            raise StateInvalid(name, str(error)) from None
        if (wrong := key.check(value, update)) is not None:
            raise StateInvalid(name, wrong)
        after[name] = value
    return after


def check_merged(graph: Graph, view: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Refuse a merged view in which one of `keys` no longer validates. Raises StateInvalid."""
    for name in keys:
        if name in view and (wrong := graph.state[name].check(view[name], MISSING)) is not None:
            raise StateInvalid(name, wrong)


def durable(graph: Graph, writes: Updates) -> Updates:
    """The writes that outlive the tasks they activate."""
    return tuple(w for w in writes if not graph.state[w[0]].ephemeral) if _any_ephemeral(graph, writes) else writes


def fleeting(graph: Graph, writes: Updates) -> Updates:
    """The writes of ephemeral keys."""
    return tuple(w for w in writes if graph.state[w[0]].ephemeral) if _any_ephemeral(graph, writes) else ()


def _any_ephemeral(graph: Graph, writes: Updates) -> bool:
    return any(graph.state[name].ephemeral for name, _ in writes if name in graph.state)
