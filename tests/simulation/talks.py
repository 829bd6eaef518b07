"""Sessions in the simulation: runs that go on from one another, wherever the one before was left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import zip_longest
from random import Random
from typing import Any, Protocol

from engine.errors import EngineError
from engine.model import Commit, Kind
from engine.record import decode
from engine.state import applied, durable, initial
from tests.fakes import ready
from tests.simulation.ends import End, same, timeless
from tests.simulation.fate import Violation
from tests.simulation.schedule import RESTING, ROUGH, Faults, Schedule
from tests.simulation.travels import check_all_lines
from tests.simulation.workers import Script
from tests.simulation.world import World

STEADY = Faults()
CRASHING = Faults(crash=0.5, spare_failing=True)
VERSIONS = (None, None, 2, 3)
TURNS = 3


class Player(Protocol):
    """Who starts and plays runs of a case."""

    features: set[str]

    def begun(self, config: Mapping[str, Any] | None = None, version: int = 1) -> World:
        """A run that has started."""

    def play(self, world: World, script: Script, order: Random | None, faults: Faults) -> End:
        """Play a run to its rest."""


def check(player: Player, script: Script, given: Mapping[str, Any], seed: int) -> None:
    """Hold a session three times, in one order without and with crashes, and in others. Raises Violation."""
    sessions = [_session(player, script, given, seed, faults) for faults in (STEADY, CRASHING, ROUGH)]
    for one, other in zip_longest(*sessions[:2]):
        same("commit", one, other, "with crashes in the same order")
    player.features.add("sessions")


def stopped(player: Player, script: Script, seed: int) -> End | None:
    """How a run ends that is stopped in the middle, more than once, and gone on with; None where it is over before."""
    world, chance = player.begun(), Random(f"stopped {seed}")
    for number in range(2):
        order = Random(f"stopped {seed} {number}")
        Schedule(world, script, order, Random(0), STEADY).play(chance.randrange(1, 15))
        if world.status in RESTING or world.run.failing:
            return None
        asked, left = len(world.seen), set(world.run.tasks)
        world.stop()
        Schedule(world, script, order, Random(seed), STEADY, resumes=False).play()
        late = [work for work in world.seen[asked:] if work.task_id not in left and work.request.index is None]
        if late:
            raise Violation(f"a run that was to stop has begun {[work.node for work in late]}")
        if world.status not in RESTING:
            player.features.add("stops")
        world.open(world.head.id)
    return player.play(world, script, Random(f"stopped {seed} at last"), ROUGH)


def _session(player: Player, script: Script, given: Mapping[str, Any], seed: int, faults: Faults) -> list[Any]:
    """Play some runs, each from where the one before was left; what they have committed."""
    world, chance = player.begun(), Random(f"session {seed}")
    for number in range(TURNS):
        order = Random(f"session {seed} {number}")
        if chance.random() < 0.3:  # the run is left in the middle, and not gone on with
            Schedule(world, script, order, Random(0), STEADY).play(chance.randrange(1, 12))
            world.turn(kept=True)
        else:
            player.play(world, script, order, faults)
        if number and chance.random() < 0.3:
            _fork(player, world, script, chance, faults)
        version = chance.choice(VERSIONS)
        if number + 1 < TURNS and not _go_on(player, world, given, version):
            break
    return [timeless(decode(row)) for key in sorted(world.store.rows) for row in world.store.rows[key]]


def _go_on(player: Player, world: World, given: Mapping[str, Any], version: int | None) -> bool:
    """Start the next run, and see that it begins with what is shown of the one before; False where it is refused."""
    before = world.run
    try:
        world.go_on(given, version)
    except EngineError:
        return False
    player.features |= {"sessions over versions"} if version is not None else set()
    first = world.commits()[-world.run.seq]
    if (first.kind, first.parent) != (Kind.START, before.head):
        raise Violation(f"the run begins with a {first.kind} after {first.parent}, and not after {before.head}")
    same("state", _begun_with(world, before.history.lasting(), first), _at_start(world), "at the start of a run")
    check_all_lines(world)
    return True


def _begun_with(world: World, shown: Mapping[str, Any], first: Commit) -> dict[str, Any]:
    """The state that a run begins with, worked out from what was shown before."""
    graph, kept = world.run.graph, set(shown)
    if first.versions is not None:
        kept &= _alike(world.graphs[first.versions[0]], graph)
    begun = {**initial(graph), **{name: shown[name] for name in kept}}
    return applied(graph, begun, durable(graph, first.writes))


def _alike(old: Any, new: Any) -> set[str]:
    return {name for name in new.state if name in old.state and new.state[name].schema == old.state[name].schema}


def _at_start(world: World) -> dict[str, Any]:
    return dict(ready(world.loader.at(world.head, 1)).history.lasting())


def _fork(player: Player, world: World, script: Script, chance: Random, faults: Faults) -> None:
    """What comes of a fork of a later run is sound, and changes nothing for the session."""
    own, seq, key = world.head.id, chance.randrange(1, world.run.seq + 1), world.head.key
    rows = list(world.store.rows[key])
    try:
        world.fork(seq)
    except EngineError:
        return
    player.features.add("forks of sessions")
    player.play(world, script, Random(chance.random()), replace(faults))
    world.forget()
    world.open(own)
    world.turn(kept=True)
    if world.store.rows[key] != rows:
        raise Violation("a fork changed the run that it was forked from")
