"""The lines of a run: how branches hang together, from the commits at which the run turned.

A replay or a checkout is a *jump*: it follows another commit than the one before it. Between jumps a line is made of
commits that follow one another, so that a line is a few segments, and the jumps alone tell all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.model import JUMPS, Commit, seq_of
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """The commits `first` to `last` of a run, all of one branch."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: its newest commit, and the commit that it began after (None: the run's own beginning)."""

    number: int
    head: int
    begun_after: int | None


def jumps_of(turns: Sequence[Commit]) -> list[Commit]:
    """Those of a run's turns that follow another commit than the one before them."""
    return [turn for turn in turns if turn.kind in JUMPS]


def line_to(turns: Sequence[Commit], seq: int) -> list[Segment]:
    """The segments of the line that leads to commit `seq` of a run, oldest first."""
    found: list[Segment] = []
    for jump in reversed(jumps_of(turns)):
        if jump.seq <= seq:
            assert jump.parent is not None
            found.append(Segment(jump.seq, seq))
            seq = seq_of(jump.parent)
    return [Segment(1, seq), *reversed(found)]


def branches_of(turns: Sequence[Commit], newest: int) -> list[Branch]:
    """All branches of a run whose newest commit is `newest`, by number."""
    heads: dict[int, int] = {}
    began: dict[int, int | None] = {1: None}
    current = 1
    for jump in jumps_of(turns):
        heads[current] = jump.seq - 1
        current = jump.branch
        assert jump.parent is not None
        began.setdefault(current, seq_of(jump.parent))
    heads[current] = newest
    return [Branch(number, heads[number], began[number]) for number in sorted(heads)]


def branch_at(turns: Sequence[Commit], seq: int) -> int:
    """The branch that commit `seq` was made on."""
    return next((jump.branch for jump in reversed(jumps_of(turns)) if jump.seq <= seq), 1)


def version_at(turns: Sequence[Commit], seq: int, newest: int) -> int:
    """The version of the workflow after commit `seq` of a run; `newest` is that of the run as it stands."""
    changes = [turn for turn in jumps_of(turns) if turn.versions is not None]
    if not changes:
        return newest
    first = changes[0].versions
    assert first is not None
    found = first[0]
    begun = {segment.first for segment in line_to(turns, seq)}
    for turn in changes:
        if turn.seq in begun and turn.versions is not None:
            found = turn.versions[1]
    return found
