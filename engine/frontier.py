"""What a run still has to do: open tasks, sends in progress, and arrivals that wait at joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from engine.model import DEFERRED, GOTO, Arrival, Call, Commit, Kind, Ref, Task, TaskId, Wave


class Unchanged:
    """Says that counts are as they were."""


UNCHANGED = Unchanged()
Counts = dict[Wave, int] | None | Unchanged
"""Per waiting wave how much work can still reach it; None where that has to be counted anew."""


@dataclass(slots=True)
class OpenCall:
    """A send in progress: the refs of the items that are done, by slot."""

    fanout: Ref
    size: int
    done: dict[int, Ref] = field(default_factory=dict)
    open: int = 0
    started: int = 0

    def frozen(self) -> Call:
        return Call(fanout=self.fanout, size=self.size, done=tuple(sorted(self.done.items())))


@dataclass(slots=True)
class Frontier:
    """Open tasks by id, sends by their task's id, waiting arrivals by wave.

    `blockers` counts, per waiting wave, the work that can still reach it; None where it has to be counted anew.
    `held` are arrivals that activate their node by themselves and that a limit of the run holds back; `apart` counts
    the open tasks that such arrivals became.
    """

    tasks: dict[TaskId, Task] = field(default_factory=dict)
    calls: dict[TaskId, OpenCall] = field(default_factory=dict)
    waves: dict[Wave, list[Arrival]] = field(default_factory=dict)
    blockers: dict[Wave, int] | None = field(default_factory=dict)
    held: list[Arrival] = field(default_factory=list)
    apart: int = 0
    deferred: dict[str, list[Arrival]] = field(default_factory=dict)
    """What waits at deferred nodes, by node."""
    absorbed: set[Wave] = field(default_factory=set)
    """The waves that take no more arrivals, as long as something can reach them. `blockers` counts that too."""

    @property
    def empty(self) -> bool:
        return not (self.tasks or self.waves or self.held or self.deferred)

    def work(self, leaving: TaskId | None = None) -> Iterator[Wave]:
        """Where there is work that joins wait for, but for one task: open tasks (an item is work at its send node,
        which is open as long), and arrivals that wait at joins or are held back."""
        yield from (task.wave for task in self.tasks.values() if task.call is None and task.id != leaving)
        yield from self.waves
        yield from (arrival.wave for arrival in self.held)

    def take(self, commit: Commit) -> None:
        """Apply the frontier delta of a commit."""
        if commit.versions is not None:  # it says all that waits anew
            self.waves, self.held, self.deferred, self.absorbed = {}, [], {}, set()
        elif commit.goto is not None:
            self._leave_waiting()
        for task_id in commit.closed:
            self._close(self.tasks.pop(task_id, None))
            self.calls.pop(task_id, None)
        if commit.kind is Kind.ITEM and commit.task is not None and commit.task.call:
            done = self.calls.get(commit.task.call)
            if done is not None and commit.task.slot is not None:
                done.done[commit.task.slot] = commit.ref
        for task_id, call in commit.calls:
            self.calls[task_id] = OpenCall(call.fanout, call.size, dict(call.done))
        for task in commit.opened:
            self._open(task)
        self._arrive(commit)

    def count(self, blockers: Counts) -> None:
        """Take the counts that a commit has left."""
        if isinstance(blockers, Unchanged):
            return
        if blockers is None and not (self.waves or self.absorbed):
            blockers = {}
        self.blockers = blockers
        if self.absorbed and blockers is not None:
            self.absorbed &= blockers.keys()

    def _arrive(self, commit: Commit) -> None:
        self.absorbed.update(commit.absorbed)
        for wave in commit.joined:
            self.waves.pop(wave, None)
        if self.held:
            self.held = [one for one in self.held if not any(_became(one, task) for task in commit.opened)]
        for arrival in commit.waiting:
            self.wait(arrival)

    def _leave_waiting(self) -> None:
        """Let go of what waits, for other nodes are to run. Deferred nodes that no edge leads to run in any case."""
        self.waves, self.held, self.absorbed = {}, [], set()
        kept = {node: [one for one in some if one.edge == GOTO] for node, some in self.deferred.items()}
        self.deferred = {node: some for node, some in kept.items() if some}

    def waiting(self) -> list[Arrival]:
        """All arrivals that wait, for whatever."""
        groups = (*self.waves.values(), self.held, *self.deferred.values())
        return [arrival for group in groups for arrival in group]

    def wait(self, arrival: Arrival) -> None:
        """Have an arrival wait where its place says."""
        if arrival.place == DEFERRED:
            self.deferred.setdefault(arrival.wave.node, []).append(arrival)
        elif arrival.place:
            self.held.append(arrival)
        else:
            self.waves.setdefault(arrival.wave, []).append(arrival)

    def add(self, task: Task) -> None:
        """Have a task open, if it was not before."""
        known = self.tasks.get(task.id)
        self.tasks[task.id] = task
        self.apart += bool(task.place) - (known is not None and bool(known.place))

    def _open(self, task: Task) -> None:
        self.add(task)
        if task.call is not None:
            self.calls[task.call].open += 1
        elif task.place == DEFERRED:
            self.deferred.pop(task.node, None)

    def _close(self, task: Task | None) -> None:
        self.apart -= task is not None and bool(task.place)
        if task is not None and task.call is not None and task.call in self.calls:
            self.calls[task.call].open -= 1

    def opened_by(self, ref: Ref, opened: Iterable[Task]) -> bool:
        """Whether everything that is active was activated by this commit alone."""
        if self.waves or self.held or len(self.tasks) - len(self.calls) != len(tuple(opened)):
            return False
        return all(call.fanout == ref for call in self.calls.values()) and all(t.causes == (ref,) for t in opened)


def _became(arrival: Arrival, task: Task) -> bool:
    """Whether a task is what an arrival that activates its node by itself became."""
    return (arrival.wave, arrival.place) == (task.wave, task.place) and arrival.cause in task.causes
