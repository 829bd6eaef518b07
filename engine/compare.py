"""Two lines of commits compared: where they part, and which tasks differ from there on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.codec import same
from engine.model import NO_USAGE, Ref, Usage, make_ref
from engine.outline import Body, Outline
from engine.values import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """Commits of one run that follow each other on a line: `first` to `last`, both included."""

    run_key: int
    first: int
    last: int


Line = Sequence[Segment]
"""How a checkpoint came about, oldest first."""


def parted(one: Line, other: Line) -> tuple[Ref | None, list[Segment], list[Segment]]:
    """The last commit that two lines have in common (None: they have none), and what each has after it."""
    common: Ref | None = None
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if (a.run_key, a.first) != (b.run_key, b.first):
            return common, list(one[place:]), list(other[place:])
        last = min(a.last, b.last)
        common = make_ref(a.run_key, last)
        if a.last != b.last or a == one[-1] or b == other[-1]:
            return common, _after(one[place:], last), _after(other[place:], last)
    return common, list(one), list(other)


def _after(line: Line, last: int) -> list[Segment]:
    begun, *rest = line
    return [*([Segment(begun.run_key, last + 1, begun.last)] if begun.last > last else []), *rest]


# ---- tasks

Key = tuple[object, ...]


class Pair(NamedTuple):
    """A task on two lines; None where only the other one has it. `inputs` and `outputs` say whether they are the same
    (None: one of them is not known)."""

    one: Outline | None
    other: Outline | None
    inputs: bool | None = None
    outputs: bool | None = None

    @property
    def change(self) -> str:
        """`same`, `changed`, `removed` (only the first line has it) or `added`."""
        if self.one is None or self.other is None:
            return "added" if self.one is None else "removed"
        return "same" if self.outputs and self.inputs is not False else "changed"

    @property
    def task(self) -> Outline:
        """The task as the second line has it, or else the first."""
        found = self.other or self.one
        assert found is not None
        return found


def aligned(one: Sequence[Outline], other: Sequence[Outline]) -> Iterator[Pair]:
    """The ended tasks of two lines by their addresses, in the order of the second; what only the first has comes
    after. Of several at one address the first goes with the first."""
    together = 0
    for mine, theirs in zip(one, other, strict=False):  # lines of one workflow go the same way for a while
        if not mine.goes_with(theirs):
            break
        together += 1
        yield _pair(mine, theirs)
    waiting: dict[Key, deque[Outline]] = {}
    for ended in one[together:]:
        waiting.setdefault(ended.key, deque()).append(ended)
    for ended in other[together:]:
        partners = waiting.get(ended.key) if waiting else None
        yield _pair(partners.popleft(), ended) if partners else Pair(None, ended)
    for left in waiting.values():
        yield from (Pair(ended, None) for ended in left)


def _pair(one: Outline, other: Outline) -> Pair:
    mine, theirs = one.body, other.body
    first, second = mine.get("input_hash"), theirs.get("input_hash")
    inputs = None if first is None or second is None else first == second
    outputs = one.status == other.status and _same_outcome(mine, theirs) and _same_result(mine, theirs)
    return Pair(one, other, inputs, outputs)


def _same_outcome(one: Body, other: Body) -> bool:
    """Whether they left by the same ways, or with the same error."""
    if one.get("chosen") != other.get("chosen") or one.get("handle") != other.get("handle"):
        return False
    mine, theirs = one.get("error"), other.get("error")
    return (mine and mine["code"]) == (theirs and theirs["code"])


def _same_result(one: Body, other: Body) -> bool:
    """Whether the answers are the same, or, of nodes that ask nobody, the writes."""
    mine, theirs = one.get("answer"), other.get("answer")
    if mine is not None or theirs is not None:
        return same(mine, theirs)
    return same(one.get("writes"), other.get("writes"))


def usage_of(outlines: Iterable[Outline]) -> Usage:
    """What commits used, summed."""
    total = NO_USAGE
    for one in outlines:
        if "usage" in one.body:
            total = total.plus(one.usage)
    return total


def first_difference(pairs: Iterable[Pair]) -> Pair | None:
    """The task on the lowest level that is not the same on both lines."""
    return min((pair for pair in pairs if pair.change != "same"), key=lambda pair: pair.task.level, default=None)
