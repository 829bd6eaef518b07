"""Wrong engines, each the right one with one rule broken; whatever checks the right one must refuse them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from dispatch._stays import Stays
from engine import activation, gates, gotos, joins, rooms
from engine.driver.announcer import Announcer
from engine.driver.rooms import Rooms
from engine.driver.turn import Turn
from engine.frontier import Frontier
from engine.graph import Graph
from engine.history import History
from engine.joins import Settled
from engine.model import Arrival, Kind, Task, TaskId, Wave
from engine.progress import Progress
from engine.run import Run
from engine.sources import Sources
from engine.state import State
from engine.topology import Topology, bits

Mutant = Callable[[], Any]


def forward_edges_only() -> Any:
    """A join looks over forward edges alone, and at no rounds."""

    def can_reach(self: Topology, work: str, rounds: tuple[int, ...], node: str, wave: tuple[int, ...]) -> bool:
        found, todo = 0, [self.number[work]]
        while todo:
            for edge in self.leaving[todo.pop()]:
                target = self.targets[edge]
                if edge not in self.walk.back and not found >> target & 1:
                    found |= 1 << target
                    todo.append(target)
        return self.number[node] in bits(found)

    return patch.object(Topology, "can_reach", can_reach)


def never_wait() -> Any:
    """A join fires at what has arrived."""

    def settle(graph: Graph, front: Frontier, leaving: Task | None, arrivals: Sequence[Arrival]) -> Settled:
        waves = dict.fromkeys(arrival.wave for arrival in arrivals)
        fired = tuple((wave, tuple(one for one in arrivals if one.wave == wave)) for wave in waves)
        return Settled(fired, (), {})

    return patch.object(activation, "settle", settle)


def latest_state() -> Any:
    """A task sees the state shown."""
    return patch.object(History, "causal", lambda self, task: self.lasting())


def fold_by_commit_time() -> Any:
    """Parallel branches are merged in the order of their commits."""
    return patch.object(History, "sorted", lambda self, entries: sorted(entries, key=lambda entry: entry.at))


def lost_arrival() -> Any:
    """Of what waits at a join one arrival is forgotten when another comes."""
    settle = joins.settle

    def forgetful(graph: Graph, front: Frontier, leaving: Task | None, arrivals: Sequence[Arrival]) -> Settled:
        found = settle(graph, front, leaving, arrivals)
        return Settled(tuple((wave, some[-1:]) for wave, some in found.fired), found.waiting, found.blockers)

    return patch.object(activation, "settle", forgetful)


@contextmanager
def answer_applied_twice() -> Iterator[None]:
    """A task that is over still takes an answer."""
    seen: dict[TaskId, Task] = {}
    known = Run.open_task

    def open_task(self: Run, task_id: TaskId) -> Task | None:
        task = known(self, task_id)
        if task is not None:
            seen[task_id] = task
        elif task_id in seen and seen[task_id].causes[0] in self.history.entries and not seen[task_id].call:
            self.progress.setdefault(task_id, Progress())
            return seen[task_id]
        return task

    with patch.object(Run, "open_task", open_task):
        yield


@contextmanager
def fork_from_the_state_shown() -> Iterator[None]:
    """What a fork activates anew sees the state shown at its checkpoint."""
    known = Run.detach

    def detach(self: Run) -> None:
        shown: State = self.history.lasting()
        for entry in self.history.entries.values():
            entry.state = shown
        known(self)

    with patch.object(Run, "detach", detach):
        yield


def edits_come_first() -> Any:
    """An edit counts as if it had been there from the start."""
    known = History.edit

    def edit(self: History, commit: Any) -> None:
        known(self, commit)
        for found in self.edits:
            found.at = min(found.at, 1)

    return patch.object(History, "edit", edit)


def goto_keeps_its_round() -> Any:
    """A node that an answer names is met in the rounds that the task is in, also behind it."""

    def wave(shape: Topology, task: Task, name: str) -> Wave:
        fresh = shape.first_rounds(name)
        kept = (*task.wave.rounds[: len(fresh)], *fresh[len(task.wave.rounds) :])
        return replace(task.wave, node=name, rounds=kept)

    return patch.object(gotos, "_wave", wave)


def moves_are_not_told() -> Any:
    """A run that moves to another line tells nothing anew, where its status stays."""
    known = Announcer.follow

    def follow(self: Announcer, turn: Any, live: Any, before: Any, commit: Any = None) -> None:
        known(self, turn, live, before)

    return patch.object(Announcer, "follow", follow)


def notices_are_not_withdrawn() -> Any:
    """What was to be told of a run is told, wherever it has gone since."""
    return patch.object(Turn, "withdraw_notices", lambda self, run_key: None)


def sessions_begin_at_the_last_cut() -> Any:
    """A run of a session begins with what was folded away of the one before, and not with all that it has come to."""
    return patch.object(History, "settled", lambda self: (self.base_shown, self.sources.copy()))


def sessions_forget_who_wrote() -> Any:
    """A run of a session does not know where the values come from that it begins with."""
    known = History.settled
    return patch.object(History, "settled", lambda self: (known(self)[0], Sources(self.graph.state)))


def sessions_go_on_with_open_work() -> Any:
    """What the run before had left to do stays in the run that goes on from it."""
    return patch.object(Run, "take", _with_open_work(Run.take))


def _with_open_work(take: Any) -> Any:
    def taken(self: Run, commit: Any, fresh: Any = None, blockers: Any = None) -> None:
        left = dict(self.frontier.tasks) if commit.kind is Kind.START and commit.task is None else {}
        take(self, commit, fresh, blockers)
        self.frontier.tasks.update(left)

    return taken


def stopping_lets_work_begin() -> Any:
    """A run that is to stop holds back what had not begun, and nothing that is activated from then on."""
    known = gates.held
    return patch.object(activation, "held", lambda stops, task: known(replace(stops, everywhere=False), task))


def rooms_are_forgotten_in_a_crash() -> Any:
    """Who had a room before a crash is not behind its gates after it."""
    return patch.object(Rooms, "go_on", lambda self, turn, live: None)


def rooms_are_kept_for_ever() -> Any:
    """Who is over does not give up its room."""
    return patch.object(Stays, "move_out", lambda self, task_ids: [])


def what_is_inside_waits_for_what_is_around_it() -> Any:
    """A key that is had already by what is around has to be waited for once more."""
    return patch.object(rooms, "inside", lambda run, holders, gate: gate)


MUTANTS: tuple[Mutant, ...] = (
    forward_edges_only,
    never_wait,
    latest_state,
    fold_by_commit_time,
    lost_arrival,
    answer_applied_twice,
    fork_from_the_state_shown,
    edits_come_first,
    goto_keeps_its_round,
    moves_are_not_told,
    notices_are_not_withdrawn,
    sessions_begin_at_the_last_cut,
    sessions_forget_who_wrote,
    sessions_go_on_with_open_work,
    stopping_lets_work_begin,
    rooms_are_forgotten_in_a_crash,
    rooms_are_kept_for_ever,
    what_is_inside_waits_for_what_is_around_it,
)
