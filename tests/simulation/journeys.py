"""Journeys through time whose outcome is known: each is played, and held against what it must come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

from engine.driver.travel import Asked
from engine.errors import EngineError
from engine.injection import AFTER
from engine.model import Commit, Kind, RunStatus, TaskId
from engine.outbox import Work
from tests.fakes import ready
from tests.simulation.ends import End, nameless, same
from tests.simulation.fate import Violation
from tests.simulation.schedule import CALM, ROUGH, Faults, Schedule
from tests.simulation.travels import RAISED, check_all_lines, checkout, replay, some_nodes
from tests.simulation.workers import Fault, Part, Script
from tests.simulation.world import World

TWIN, OTHER = 2, 3
"""The version of a workflow that says the same as the first, and one that does not."""


class Player(Protocol):
    """Who starts and plays runs of a case."""

    features: set[str]

    def begun(self, config: Mapping[str, Any] | None = None, version: int = 1) -> World:
        """A run that has started."""

    def play(self, world: World, script: Script, order: Random | None, faults: Faults) -> End:
        """Play a run to its rest."""


def check(player: Player, base: End, script: Script, chance: Random) -> None:
    """Take all the journeys; `base` is how the run ends by itself. Raises Violation."""
    if base.status is RunStatus.COMPLETED:
        _there_and_back(player, base, script, chance)
        _reuse(player, base, script, chance)
    _onto_other_versions(player, base, script, chance)
    _elsewhere(player, script, chance)
    _fail_and_retry(player, script, chance)
    _out_of_bounds(player, script, chance)


def _there_and_back(player: Player, base: End, script: Script, chance: Random) -> None:
    """Leave a run in the middle for a replay, which ends as the run would have; so does the run, taken up again."""
    world = player.begun()
    Schedule(world, script, Random(chance.random()), Random(0), CALM).play(chance.randrange(1, 25))
    try:
        replay(world, chance.randrange(1, world.run.seq + 1), Asked(version=chance.choice((None, TWIN))))
    except EngineError:
        return
    player.features.add("replays")
    _ends_alike(base, player.play(world, script, Random(chance.random()), ROUGH), "on a new branch")
    count = len(world.seen)
    over = world.run.last_branch and _status_of_branch(world, 1) is RunStatus.COMPLETED
    checkout(world, 1)
    player.features.add("checkouts")
    _ends_alike(base, player.play(world, script, Random(chance.random()), CALM), "on the branch that was left")
    if over and len(world.seen) != count:
        raise Violation("a branch that had ended asked workers when it was taken up again")
    check_all_lines(world)


def _elsewhere(player: Player, script: Script, chance: Random) -> None:
    """Go to other nodes from the same checkpoint, by replays and by a fork: all come to the same."""
    world = player.begun()
    Schedule(world, script, Random(chance.random()), Random(0), CALM).play(chance.randrange(1, 40))
    seq, goto = chance.randrange(1, world.run.seq + 1), some_nodes(world, chance)
    ends = []
    for faults in (CALM, ROUGH):
        try:
            replay(world, seq, Asked(goto=goto))
        except EngineError:
            return
        ends.append(player.play(world, script, Random(chance.random()), faults))
    check_all_lines(world)
    world.fork(seq, goto=goto)
    ends.append(player.play(world, script, Random(chance.random()), CALM))
    check_all_lines(world)
    player.features.add("goto of forks")
    for end in ends[1:]:
        _same_end(ends[0], end, f"when it went to {goto} from {seq} again")


def _status_of_branch(world: World, branch: int) -> RunStatus:
    return RunStatus([row for row in world.store.rows[world.head.key] if row.branch == branch][-1].status)


def _ends_alike(one: End, other: End, how: str) -> None:
    same("status", one.status, other.status, how)
    same("state", nameless(one.state), nameless(other.state), how)


# ---- reuse


def _reuse(player: Player, base: End, script: Script, chance: Random) -> None:
    """Replays that take over answers end as those that ask anew, with an edit and without, and ask only what is new."""
    world = player.begun()
    player.play(world, script, Random(chance.random()), CALM)
    before, seq = world.commits(), chance.randrange(1, world.run.seq + 1)
    edit = script.updates(chance)
    edit.pop("msgs", None)  # messages of an edit are named after its commit, so that two of the same edit differ
    for updates in ({}, edit):
        ends = []
        for reuse in (True, False):
            sent = len(world.seen)
            asked = Asked(updates=updates, reuse=reuse, reuse_interrupts=True, version=chance.choice((None, TWIN)))
            try:
                replay(world, seq, asked)
            except EngineError:
                return
            ends.append(player.play(world, script, Random(chance.random()), (CALM, ROUGH)[chance.randrange(2)]))
            if reuse and _check_reuse(world, before, world.seen[sent:]):
                player.features.add("reuse")
            checkout(world, 1)
        _same_end(ends[0], ends[1], f"when asked anew from {seq} with {updates}")
        if not updates:
            _ends_alike(base, ends[0], f"with answers taken over from {seq} on")
    check_all_lines(world)


def _same_end(one: End, other: End, how: str) -> None:
    same("status", one.status, other.status, how)
    if one.status is not RunStatus.FAILED:
        same("state", nameless(one.state), nameless(other.state), how)


def _check_reuse(world: World, before: Sequence[Commit], sent: Sequence[Work]) -> int:
    """Exactly those answers were taken over that the line `before` gave to the same input at the same address; `sent`
    are the attempts since. Returns how many."""
    line, asked = world.commits(), {work.task_id for work in sent}
    begun = max(commit.seq for commit in line if commit.kind is Kind.REPLAY)
    known, found = Counter(_answers(before).values()), _answers(line)
    count = 0
    for commit in line:
        if commit.seq > begun and commit.seq in found:
            count += commit.reused
            if commit.reused != bool(known[found[commit.seq]]):
                raise Violation(f"answer {found[commit.seq]} was {'' if commit.reused else 'not '}taken over")
            if commit.reused and commit.task is not None and commit.task.id in asked:
                raise Violation(f"a worker was asked for {found[commit.seq]}, whose answer was taken over")
    return count


def _answers(line: Sequence[Commit]) -> dict[int, Any]:
    """Per commit with a worker's answer: for which task, by its address, and to which input."""
    nodes: dict[TaskId | None, str] = {task.id: task.node for commit in line for task in commit.opened}
    found: dict[int, Any] = {}
    for commit in line:
        task = commit.task
        if task is not None and commit.kind in AFTER and commit.error is None and commit.input_hash is not None:
            caller = nodes.get(task.call) if task.call is not None else None
            slot = task.slot if task.call is not None else None
            found[commit.seq] = (task.wave, task.place, task.index, caller, slot, commit.input_hash)
    return found


# ---- other versions


def _onto_other_versions(player: Player, base: End, script: Script, chance: Random) -> None:
    """Forks and replays onto a version that says the same end alike; onto another one they are what that says."""
    began, to = chance.choice(((1, TWIN), (1, OTHER), (OTHER, 1)))
    world = player.begun(version=began)
    Schedule(world, script, Random(chance.random()), Random(0), CALM).play(chance.randrange(1, 25))
    seq = chance.randrange(1, world.run.seq + 1)
    try:
        if chance.random() < 0.5:
            world.fork(seq, version=to)
        else:
            replay(world, seq, Asked(version=to))
    except EngineError:
        return
    player.features.add("versions")
    end = player.play(world, script, Random(chance.random()), ROUGH)
    if to == TWIN and base.status is RunStatus.COMPLETED:
        _ends_alike(base, end, "on a version that says the same")
    check_all_lines(world)


# ---- failures that are made good


class Lenient(Script):
    """Workers that never fail, but for those of `broken`."""

    def __init__(self, script: Script, broken: str | None = None) -> None:
        super().__init__(script.graph, script.seed, wild=0.0)
        self.broken = broken

    def part(self, work: Work) -> Part:
        """What becomes of a task."""
        return Part((Fault.FINAL,) if work.node == self.broken else (), super().part(work).answer)


def _fail_and_retry(player: Player, script: Script, chance: Random) -> None:
    """A run that failed by one node and is tried again with good workers ends as if nothing had failed."""
    good, world = Lenient(script), player.begun()
    base = player.play(world, good, None, CALM)
    if not world.seen:
        return
    broken, world = chance.choice(sorted({work.node for work in world.seen})), player.begun()
    end = player.play(world, Lenient(script, broken), Random(chance.random()), CALM)
    by_it = [commit for commit in end.commits if commit.error is not None]
    if end.status is not RunStatus.FAILED or [commit.kind for commit in by_it] != [Kind.FAILURE]:
        return  # an error edge or a send has taken it
    ready(world.travel.retry(world.head.id, {}, "test"))
    player.features.add("run retries")
    _same_end(base, player.play(world, good, Random(chance.random()), ROUGH), f"after {broken} had failed")


def _out_of_bounds(player: Player, script: Script, chance: Random) -> None:
    """A run that reached a limit and is tried again with a higher one ends as if it had had that from the start."""
    world = player.begun({"max_steps": chance.randrange(1, 8)})
    end = player.play(world, script, Random(chance.random()), CALM)
    failed = {commit.error.code for commit in end.commits if commit.kind is Kind.FAILURE and commit.error is not None}
    if end.status is not RunStatus.FAILED or failed != {"run.step_limit"}:
        return  # what failed beside it is tried again too, which it is not where nothing reached a limit
    base = player.play(player.begun(RAISED), script, None, CALM)
    ready(world.travel.retry(world.head.id, RAISED, "test"))
    player.features.add("raised limits")
    _same_end(base, player.play(world, script, Random(chance.random()), ROUGH), "after a limit was raised")
