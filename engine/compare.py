"""Two lines of commits compared: where they part, and which tasks differ from there on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.codec import same
from engine.model import Commit, Kind, Ref, Task, TaskId, TaskStatus, Usage, make_ref


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

ENDS = frozenset({Kind.NODE, Kind.ITEM})

Address = tuple[object, ...]


def address_key(task: Task) -> Address:
    """What a task has in common with the same activation on another line."""
    wave = task.wave
    return wave.frame, wave.node, wave.rounds, wave.generation, task.index


def ended(commits: Iterable[Commit]) -> list[Commit]:
    """The commits that ended tasks, one for each task, by their levels."""
    found: dict[TaskId, Commit] = {}
    for commit in commits:
        task = commit.task
        if task is not None and (commit.kind is Kind.FAILURE or (commit.kind in ENDS and task.id in commit.closed)):
            found[task.id] = commit
    return sorted(found.values(), key=_level)


def _level(commit: Commit) -> int:
    if commit.level is not None:
        return commit.level
    return commit.task.level if commit.task is not None else 0


@dataclass(frozen=True, slots=True)
class Pair:
    """A task on two lines; None where only the other one has it. `inputs` and `outputs` say whether they are the same
    (None: one of them is not known)."""

    one: Commit | None
    other: Commit | None
    inputs: bool | None = None
    outputs: bool | None = None

    @property
    def change(self) -> str:
        """`same`, `changed`, `removed` (only the first line has it) or `added`."""
        if self.one is None or self.other is None:
            return "added" if self.one is None else "removed"
        return "same" if self.outputs and self.inputs is not False else "changed"

    @property
    def task(self) -> Task:
        found = self.other or self.one
        assert found is not None and found.task is not None
        return found.task


def aligned(one: Sequence[Commit], other: Sequence[Commit]) -> list[Pair]:
    """The ended tasks of two lines by their addresses, in the order of the second; what only the first has comes
    after. Of several at one address the first goes with the first."""
    waiting = _by_address(one)
    found: list[Pair] = []
    for commit in other:
        assert commit.task is not None
        partners = waiting.get(address_key(commit.task))
        found.append(_pair(partners.pop(0), commit) if partners else Pair(None, commit))
    return [*found, *(Pair(commit, None) for left in waiting.values() for commit in left)]


def _by_address(commits: Sequence[Commit]) -> dict[Address, list[Commit]]:
    found: dict[Address, list[Commit]] = {}
    for commit in commits:
        assert commit.task is not None
        found.setdefault(address_key(commit.task), []).append(commit)
    return found


def _pair(one: Commit, other: Commit) -> Pair:
    hashes = one.input_hash, other.input_hash
    inputs = None if None in hashes else hashes[0] == hashes[1]
    return Pair(one, other, inputs, _outcome(one) == _outcome(other) and _same_result(one, other))


def _outcome(commit: Commit) -> tuple[object, ...]:
    error = commit.error.code if commit.error is not None else None
    status = commit.task_status or (TaskStatus.FAILED if commit.kind is Kind.FAILURE else TaskStatus.COMPLETED)
    return status, commit.chosen, commit.handle, error


def _same_result(one: Commit, other: Commit) -> bool:
    """Whether the answers are the same, or, of nodes that ask nobody, the writes."""
    if one.answer is not None or other.answer is not None:
        return same(one.answer, other.answer)
    return same([list(write) for write in one.writes], [list(write) for write in other.writes])


def usage_of(commits: Iterable[Commit]) -> Usage:
    """What commits used, summed."""
    total = Usage()
    for commit in commits:
        total = total.plus(commit.usage)
    return total


def first_difference(pairs: Iterable[Pair]) -> Pair | None:
    """The task on the lowest level that is not the same on both lines."""
    return min((pair for pair in pairs if pair.change != "same"), key=lambda pair: pair.task.level, default=None)
