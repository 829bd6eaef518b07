"""Excerpts of states, for people who look through many questions at once: what matters first, as much as fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.codec import write
from engine.errors import NodeFailure
from engine.missing import MISSING
from engine.model import Task
from engine.run import Run
from engine.values import dataclass
from engine.views import view_of

MOST_BYTES = 2048
"""An excerpt is no longer, as JSON in UTF-8."""
MOST_TEXT = 300
"""A longer text is shown by its beginning, in characters."""
LEAST = len(b'"":1,')
"""No key with its value takes less."""
MOST_NAMED = 20
"""So many keys are named at most that were cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """`values` by key, and `cut`: the first keys that were shortened or left out, in the order in which they matter."""

    values: Mapping[str, Any]
    cut: tuple[str, ...] = ()


def excerpt_of(run: Run, task: Task) -> Excerpt | None:
    """What matters of the state that an open task sees: what its node reads, then what came last. None where its
    branches do not merge."""
    frame = run.frames.of(task)
    try:
        state = view_of(run, task).state
    except NodeFailure:
        return None
    entries = (frame.history.entries.get(cause) for cause in task.causes)
    written = (name for entry in entries if entry is not None for name, _ in entry.writes)
    reads: Iterable[str] = getattr(frame.graph.nodes[task.node].spec, "reads", ())
    return excerpt(state, [*reads, *written])


def excerpt(state: Mapping[str, Any], first: Iterable[str] = ()) -> Excerpt:
    """As much of a state as fits, the keys in `first` before the others."""
    values: dict[str, Any] = {}
    cut: list[str] = []
    room = MOST_BYTES - len(b"{}")
    for name in dict.fromkeys((*first, *state)):
        if name not in state:
            continue
        if room < LEAST and len(cut) >= MOST_NAMED:
            break  # nothing that is left fits, or is named
        shown = _shown(state[name], room)
        size = 0 if shown is MISSING else len(write({name: shown})) - len(b"{}") + len(b",")
        fits = shown is not MISSING and size <= room
        if fits:
            values[name], room = shown, room - size
        if not fits or shown is not state[name]:
            cut.append(name)
    return Excerpt(values=values, cut=tuple(cut[:MOST_NAMED]))


def _shown(value: Any, room: int) -> Any:
    """A value as it is, a long text by its beginning, and MISSING for what is too large in another way."""
    if isinstance(value, str):
        return value if len(value) <= MOST_TEXT else f"{value[: MOST_TEXT - 1]}…"
    left = room
    for size in _sizes(value):
        left -= size
        if left < 0:
            return MISSING
    return value


def _sizes(value: Any) -> Iterator[int]:
    """At least how many bytes the parts of a value take, so that nothing large is looked at to its end."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield len(key) + 3
            yield from _sizes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield 1
            yield from _sizes(inner)
    else:
        yield len(value) + 2 if isinstance(value, str) else 1
