"""Refs in stored rows moved to other numbers of runs, so that a file does not know the keys of the store it came from.

A file counts its runs from 1, the oldest ancestor first, and names a commit as a row does: by its number alone where
it is one of the same run, else by `run << 32 | number`. Only refs to other runs are moved, and those that are always
whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.model import Ref, make_ref, run_key_of, seq_of
from engine.record import OWN

Move = Callable[[int], int]
"""From the whole ref of a commit to another one."""


class Stray(ValueError):
    """A ref to a commit that is in none of the runs of a file."""


def renumbered(numbers: Mapping[int, int]) -> Move:
    """Moves refs from the runs that are the keys to those that are the values. Raises Stray for refs to others."""

    def move(ref: int) -> int:
        run = numbers.get(run_key_of(Ref(ref)))
        if run is None:
            raise Stray(f"{ref} names a commit of no run of this file")
        return make_ref(run, seq_of(Ref(ref)))

    return move


def short(ref: Ref | None, own: int, move: Move) -> int | None:
    """A column's ref as it stands in a file; `own` is the key of its run."""
    if ref is None:
        return None
    return seq_of(ref) if run_key_of(ref) == own else move(ref)


def whole(number: int | None, own: int, move: Move) -> Ref | None:
    """A column's ref again."""
    if number is None:
        return None
    return make_ref(own, number) if number < OWN else Ref(move(number))


def moved_body(body: Mapping[str, Any], move: Move) -> dict[str, Any]:
    """The body of a commit with its refs moved. What is no body raises the errors of Python."""
    found = dict(body)
    for name, parts in _BODY.items():
        if name in found:
            found[name] = parts(found[name], move)
    return found


def moved_snapshot(body: Mapping[str, Any], move: Move) -> dict[str, Any]:
    """A snapshot with its refs moved. What is no snapshot raises the errors of Python."""
    found = dict(body)
    for name, parts in _SNAPSHOT.items():
        if name in found:
            found[name] = parts(found[name], move)
    return found


def _ref(number: int, move: Move) -> int:
    return number if number < OWN else move(number)


def _refs(numbers: list[int], move: Move) -> list[int]:
    return [_ref(number, move) for number in numbers]


def _task(parts: list[Any], move: Move) -> list[Any]:
    """The causes of a task are its fourth part, where they are said."""
    return [*parts[:3], _refs(parts[3], move), *parts[4:]] if len(parts) > 3 and parts[3] else parts


def _tasks(tasks: list[list[Any]], move: Move) -> list[list[Any]]:
    return [_task(parts, move) for parts in tasks]


def _cancelled(ended: list[list[Any]], move: Move) -> list[list[Any]]:
    return [[_task(task, move), *rest] for task, *rest in ended]


def _arrivals(arrivals: list[list[Any]], move: Move) -> list[list[Any]]:
    return [[edge, _ref(cause, move), *wave] for edge, cause, *wave in arrivals]


def _calls(calls: list[list[Any]], move: Move) -> list[list[Any]]:
    return [
        [task, _ref(fanout, move), size, [[slot, _ref(ref, move)] for slot, ref in done]]
        for task, fanout, size, done in calls
    ]


def _reuse(parts: list[Any], move: Move) -> list[Any]:
    until, interrupts = parts
    return [move(until), interrupts]


def _ends(ends: list[list[Any]], move: Move) -> list[list[Any]]:
    return [[_ref(ref, move), task, writes] for ref, task, writes in ends]


def _by_key(refs: Mapping[str, list[int]], move: Move) -> dict[str, list[int]]:
    return {name: _refs(numbers, move) for name, numbers in refs.items()}


def _sources(sources: Mapping[str, list[Any]], move: Move) -> dict[str, list[Any]]:
    """Of each key the base, 0 for none, its size and heft, then spans: a ref, or the first of several."""
    return {
        name: [_ref(base, move) if base else 0, size, heft, *(_span(span, move) for span in spans)]
        for name, (base, size, heft, *spans) in sources.items()
    }


def _span(span: Any, move: Move) -> Any:
    return [_ref(span[0], move), *span[1:]] if isinstance(span, list) else _ref(span, move)


_BODY: Mapping[str, Callable[[Any, Move], Any]] = {
    "task": _task, "causes": _refs, "opened": _tasks, "waiting": _arrivals, "cancelled": _cancelled, "calls": _calls,
    "reuse": _reuse,
}  # fmt: skip
_SNAPSHOT: Mapping[str, Callable[[Any, Move], Any]] = {
    "refs": _by_key, "sources": _sources, "ends": _ends, "deferred": _arrivals,
}  # fmt: skip
