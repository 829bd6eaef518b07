"""One seed: its workflow is played in many ways, and all of them must agree with each other and with the language."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from random import Random
from types import MappingProxyType
from typing import Any

from engine import rebuild, sources, weight
from engine.errors import EngineError
from engine.gates import NO_STOPS, Stops, stops_of
from engine.graph import Graph
from engine.joins import recount
from engine.model import DEFERRED, Commit, Kind, RunStatus, run_key_of
from engine.parse import parse
from engine.record import decode
from engine.verify import verify_rows
from tests.fakes import ready
from tests.simulation import journeys, talks
from tests.simulation.documents import generate
from tests.simulation.ends import End, check_message_names, facts, nameless, same, timeless
from tests.simulation.fate import Violation
from tests.simulation.moves import check_move
from tests.simulation.schedule import CALM, IN_ORDER, RESTING, ROUGH, Faults, Schedule, Visitor
from tests.simulation.travels import Traveller, check_all_lines
from tests.simulation.variants import other_version
from tests.simulation.workers import Script
from tests.simulation.world import World

NONE: Mapping[str, Any] = MappingProxyType({})
MOVED = 0.15
"""How many of the runs are moved to another store where they have come to rest."""
STOPS = 0.5
"""How many of the seeds stop a run."""
TALKS = 0.4
"""How many of the seeds hold a session."""
MOST_WRITTEN = 20_000
STEADY = Faults()
CRASHING = Faults(crash=0.5, spare_failing=True)
EDITED = Faults(edit=0.7)
EDITED_CRASHING = Faults(edit=0.7, crash=0.5, spare_failing=True)


@dataclass(frozen=True)
class Case:
    """What a seed stands for. Everything else follows from it, so that a smaller document is a smaller case."""

    seed: int
    document: Mapping[str, Any]
    given: Mapping[str, Any]

    @cached_property
    def graph(self) -> Graph:
        return parse(self.document, "simulated", 1)

    @cached_property
    def others(self) -> dict[int, Graph]:
        """Other versions of the workflow: one that says the same, and one that does not."""
        other = other_version(self.document, Random(f"version {self.seed}"))
        return {2: parse(self.document, "simulated", 2), 3: parse(other, "simulated", 3)}


def case_of(seed: int) -> Case:
    """The case of a seed."""
    return Case(seed, *generate(seed))


def is_racing(graph: Graph) -> bool:
    """Whether who comes first decides anywhere in a graph, or in those that it runs."""
    children = (getattr(node.spec, "child", None) for node in graph.nodes.values())
    return bool(graph.needed) or any(child is not None and is_racing(child) for child in children)


@contextmanager
def small_measures(seed: int) -> Iterator[None]:
    """Snapshots as often as they can be, in half of the seeds: the runs here are too short for them otherwise. In half
    of these they name what values are made of as long as they can, though the values here are small. What a node may
    write at once is little in all of them."""
    before = rebuild.MIN_ROWS, rebuild.OUTWEIGH, sources.SMALL, sources.OUTGROWN, weight.MOST
    weight.MOST = MOST_WRITTEN
    if seed % 2 == 0:
        rebuild.MIN_ROWS, rebuild.OUTWEIGH = 1, 0
    if seed % 4 == 0:
        sources.SMALL, sources.OUTGROWN = 0, 50
    try:
        yield
    finally:
        rebuild.MIN_ROWS, rebuild.OUTWEIGH, sources.SMALL, sources.OUTGROWN, weight.MOST = before


class Failed(Exception):
    """A case that does not hold; `world` is as it was then."""

    def __init__(self, message: str, world: World | None) -> None:
        super().__init__(message)
        self.message, self.world = message, world


@dataclass
class Trial:
    """Plays a case. `features` collects what occurred."""

    case: Case
    features: set[str] = field(default_factory=set)
    runs: int = 0
    world: World | None = None
    stops: Stops = NO_STOPS
    """The breakpoints of the runs that begin."""

    def check(self) -> None:
        """Play all the ways. Raises Failed."""
        try:
            with small_measures(self.case.seed):
                self._check()
                if Random(f"talks {self.case.seed}").random() < TALKS:
                    talks.check(self, Script(self.case.graph, self.case.seed), self.case.given, self.case.seed)
        except Violation as violation:
            raise Failed(str(violation), self.world) from None
        except Exception as error:
            raise Failed("".join(traceback.format_exception(error)[-8:]), self.world) from error

    def _check(self) -> None:
        seed, chance = self.case.seed, Random(f"trial {self.case.seed}")
        script = Script(self.case.graph, seed)
        base = self.play(self.begun(), script, None, IN_ORDER)
        if is_racing(self.case.graph):
            return self._check_racing(script, chance)
        self.stops = self._breakpoints()
        world = self.begun()
        self._agree(base, self.play(world, script, Random(f"one {seed}"), CALM), "in another order")
        self._agree(base, self.play(self.begun(), script, Random(f"two {seed}"), ROUGH), "with crashes")
        if chance.random() < 0.5:
            self._crash_and_go_on(script, STEADY, CRASHING)
        if chance.random() < 0.7:
            self._fork(world, base, script, chance)
        if "interrupts" in self.features:
            self._crash_and_go_on(script, EDITED, EDITED_CRASHING)
            self._answer_later(base, script)
        if chance.random() < 0.15:
            self._cancel(script, chance)
        self._stop(base, script)
        if chance.random() < 0.5:
            journeys.check(self, base, script, chance)
        if chance.random() < 0.6:
            self._travel(script)

    def _check_racing(self, script: Script, chance: Random) -> None:
        """Where the first to come decides, orders differ in what comes of them, and in nothing that crashes decide."""
        self.features.add("racing")
        self.stops = self._breakpoints()
        for number, faults in enumerate((CALM, CALM, ROUGH)):
            self.play(world := self.begun(), script, Random(f"race {self.case.seed} {number}"), faults)
            self._reads_the_same(world)
        self._crash_and_go_on(script, STEADY, CRASHING)
        if chance.random() < 0.7 and self._forked(world, chance.randrange(1, world.run.seq + 1), {}):
            self.play(world, script, Random(chance.random()), ROUGH)
        if chance.random() < 0.2:
            self._cancel(script, chance)
        if chance.random() < 0.6:
            self._travel(script)

    def _reads_the_same(self, world: World) -> None:
        """What is read from the rows is what was in memory."""
        before, run = world.run, ready(world.loader.at_head(world.head))
        same("state", before.history.shown(), run.history.shown(), "read again")
        for name in ("tasks", "apart", "waves", "held", "deferred"):
            same(name, getattr(before.frontier, name), getattr(run.frontier, name), "read again")
        same("counts", recount(before.graph, before.frontier), recount(run.graph, run.frontier), "read again")

    def _breakpoints(self) -> Stops:
        """Those that the runs after the first one have, which all end as it did."""
        chance, nodes = Random(f"breakpoints {self.case.seed}"), [*self.case.graph.nodes]
        if chance.random() > 0.3:
            return NO_STOPS
        before = [name for name in nodes if chance.random() < 0.3]
        return stops_of(self.case.graph, before, [name for name in nodes if chance.random() < 0.3])

    # ---- playing

    def begun(self, config: Mapping[str, Any] | None = None, version: int = 1) -> World:
        """A run that has started, with the case's input if that is valid."""
        world = self.world = World(self.case.graph, self.case.others, version)
        try:
            world.start(self.case.given, config, self.stops)
        except EngineError:
            world = self.world = World(self.case.graph, self.case.others, version)
            world.start(config=config, stops=self.stops)
        return world

    def play(
        self,
        world: World,
        script: Script,
        order: Random | None,
        faults: Faults,
        *,
        resumes: bool = True,
        visitor: Visitor | None = None,
    ) -> End:
        """Play a run to its rest."""
        self.world = world
        schedule = Schedule(
            world, script, order, Random(f"mishaps {self.case.seed} {self.runs}"), faults, resumes, visitor
        )
        self.runs += 1
        schedule.play()
        self._note(schedule)
        return self._ended(world)

    def _ended(self, world: World) -> End:
        report = verify_rows(world.head, world.graphs, world.first_version, rows := world.rows())
        if report.problems:
            raise Violation("verify: " + "; ".join(report.problems))
        if (shown := world.state) != report.state:
            raise Violation(f"the state shown is {shown}, folded anew it is {report.state}")
        self.features |= {"snapshots"} if any(row.snapshot is not None for row in rows) else set()
        self._features(commits := world.commits())
        if Random(f"move {self.case.seed} {self.runs}").random() < MOVED:
            check_move(world)
            self.features.add("moves")
        if not any(commit.versions for commit in commits):  # a send that begins anew has its items asked again
            check_message_names(commits)
        own = [commit for commit in commits if run_key_of(commit.ref) == world.head.key]
        return End(world.head.status, shown, facts(commits, world.head.key), own)

    # ---- what must agree

    def _agree(self, one: End, other: End, how: str) -> None:
        """Status and inputs never depend on the order; the state and the set of tasks not where the run completes."""
        if one.status is not other.status:
            raise Violation(f"{one.status} in one order, {other.status} {how}")
        for name in one.facts.keys() & other.facts.keys():
            if one.facts[name] != other.facts[name]:
                raise Violation(f"task {name} is {one.facts[name]} in one order, {other.facts[name]} {how}")
        if one.status is not RunStatus.FAILED:
            same("tasks", sorted(one.facts), sorted(other.facts), how)
            same("state", one.state, other.state, how)

    def _crash_and_go_on(self, script: Script, without: Faults, with_crashes: Faults) -> None:
        """The same order with and without crashes makes the same commits, byte for byte."""
        order = f"same {self.case.seed}"
        calm = self.play(self.begun(), script, Random(order), without)
        crashed = self.play(self.begun(), script, Random(order), with_crashes)
        for one, other in zip_longest(calm.commits, crashed.commits):
            same("commit", one and timeless(one), other and timeless(other), "with crashes in the same order")
        same("status", calm.status, crashed.status, "with crashes in the same order")

    def _travel(self, script: Script) -> None:
        """Replays, checkouts, edits and retries at any time: what they make is right on every line, and crashes play no
        part in it."""
        ends = []
        for faults in (STEADY, CRASHING, ROUGH):
            world, traveller = self.begun(), Traveller(self.case.seed, script)
            self.play(world, script, Random(f"travel {self.case.seed}"), faults, visitor=traveller)
            check_all_lines(world)
            ends.append([timeless(decode(row)) for row in world.store.rows[world.head.key]])
            self.features.update(f"{act} at random" for act in traveller.acts)
        for one, other in zip_longest(ends[0], ends[1]):
            same("commit", one, other, "with crashes in the same order")

    def _answer_later(self, base: End, script: Script) -> None:
        """Everything goes on beside an open interrupt; a run that waits for nothing else is interrupted."""
        world = self.begun()
        self.play(world, script, Random(f"later {self.case.seed}"), CALM, resumes=False)
        self.world = world
        world.open(world.head.id)
        self._agree(base, self.play(world, script, Random(f"then {self.case.seed}"), ROUGH), "after a long wait")

    def _cancel(self, script: Script, chance: Random) -> None:
        """After a cancellation nothing changes any more, whatever comes."""
        world = self.begun()
        schedule = Schedule(world, script, Random(f"cancel {self.case.seed}"), Random(0), CALM)
        schedule.play(chance.randrange(8))
        if world.status in RESTING:
            return
        held = list(world.outbox.given.values())
        world.cancel()
        before = len(world.rows())
        for work in held:
            world.post(work.task_id, script.part(work).answer)
        end = self._ended(world)
        if end.status is not RunStatus.CANCELLED or len(world.rows()) != before:
            raise Violation(f"the run went on after it was cancelled, to {end.status}")

    def _stop(self, base: End, script: Script) -> None:
        """A run that is stopped in the middle and gone on with ends as it would have."""
        if Random(f"stop {self.case.seed}").random() < STOPS:
            end = talks.stopped(self, script, self.case.seed)
            if end is not None:
                self._agree(base, end, "after it was stopped")

    def _fork(self, world: World, base: End, script: Script, chance: Random) -> None:
        """Forks, and forks of forks, with the same answers come to the same end."""
        origin = world.head.id
        for _ in range(2):
            seq = chance.randrange(1, len(world.store.rows[world.head.key]) + 1)
            config = {"max_steps": 60, "max_tasks": 300} if base.status is RunStatus.FAILED else {}
            if not self._forked(world, seq, {}, config):
                continue
            end = self.play(world, script, Random(chance.random()), chance.choice((CALM, ROUGH)))
            if base.status is RunStatus.COMPLETED:
                same("status", base.status, end.status, f"in a fork from {seq}")
                same("state", nameless(base.state), nameless(end.state), f"in a fork from {seq}")
            if chance.random() < 0.5:
                self._edited_fork(world, script, chance)
            if not world.lives or chance.random() < 0.6:
                world.open(origin)

    def _edited_fork(self, world: World, script: Script, chance: Random) -> None:
        """A fork with an edit: all that follows comes after it, so that the order plays no part again."""
        parent, updates = world.head, script.updates(chance)
        seq = chance.randrange(1, len(world.store.rows[parent.key]) + 1)
        ends = []
        for number in range(2):
            world.open(parent.id)
            if not self._forked(world, seq, updates):
                return
            self.features.add("edits" if updates else "forks")
            ends.append(self.play(world, script, Random(f"{seq} {number}"), (CALM, ROUGH)[number]))
            world.forget()
        self._agree(ends[0], ends[1], f"in a second fork from {seq} with {updates}")

    def _forked(self, world: World, seq: int, updates: Mapping[str, Any], config: Mapping[str, Any] = NONE) -> bool:
        try:
            world.fork(seq, updates, config)
        except EngineError:
            return False
        self.features.add("forks")
        return True

    # ---- what occurred

    def _note(self, schedule: Schedule) -> None:
        found = {
            "crashes": schedule.crashes > 0,
            "edits": schedule.edits > 0,
            "turns": schedule.waits > 0,
            "rooms": schedule.rooms,
            "turns for rooms": schedule.kept_out,
            "rings": schedule.world.rings,
            "strangers": schedule.strangers.came > 0,
            "retries": any(work.attempt > 1 for work in schedule.world.seen),
        }
        self.features |= {name for name, occurred in found.items() if occurred}

    def _features(self, commits: list[Commit]) -> None:
        open_tasks = 0
        for commit in commits:
            opened = sum(1 for task in commit.opened if task.call is None)
            open_tasks += opened - (commit.kind is Kind.NODE)
            apart = [task for task in commit.opened if task.place and not task.whole]
            found = {
                "parallel": open_tasks > 1,
                "loops": any(round_ > 0 for task in commit.opened for round_ in task.wave.rounds),
                "send": commit.kind is Kind.SEND and bool(commit.opened),
                "error edges": commit.handle == "error",
                "interrupts": commit.interrupt is not None,
                "breakpoints": commit.interrupt is not None and commit.interrupt.kind == "breakpoint",
                "expiry": bool(commit.resolved) and commit.kind is not Kind.RESUME,
                "questions": commit.worker_asks,
                "joins": any(len(task.causes) > 1 and task.call is None for task in commit.opened),
                "failures": commit.kind is Kind.FAILURE,
                "each": any(task.edges for task in apart),
                "absorbed": bool(commit.absorbed),
                "frames": bool(commit.frames),
                "frames in frames": any("/" in nested.frame for _, nested in commit.frames),
                "turns of loops": any(nested.turn > 1 for _, nested in commit.frames),
                "frames tried again": any(nested.attempt > 1 for _, nested in commit.frames),
                "broken frames": commit.handle == "broken",
                "ended by the first": bool(commit.cancelled),
                "quorum missed": commit.error is not None and commit.error.code == "join.quorum_not_reached",
                "goto": any(not task.edges and task.call is None for task in apart),
                "defer": any(task.place == DEFERRED for task in commit.opened),
                "generations": any(task.wave.generation for task in commit.opened),
            }
            self.features |= {name for name, occurred in found.items() if occurred}
