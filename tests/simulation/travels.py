"""Time travel in the simulation: people who move runs about, and what must hold of every line afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine.driver.travel import Asked
from engine.errors import EngineError
from engine.lines import branches_of
from engine.model import RunStatus
from engine.verify import verify_run
from tests.fakes import ready
from tests.simulation.fate import Violation
from tests.simulation.workers import Script
from tests.simulation.world import World

MOST_ACTS = 4
RAISED = {"max_steps": 80, "max_tasks": 400}


def check_all_lines(world: World) -> None:
    """Every branch of a run, also those that were left, is what the language says."""

    async def graph(workflow_id: str, version: int) -> Any:
        return world.graphs[version]

    report = ready(verify_run(world.store, world.head.id, graph))  # type: ignore[arg-type]  # what it reads of a store
    if report.problems:
        raise Violation("verify: " + "; ".join(report.problems))


def replay(world: World, seq: int, asked: Asked) -> None:
    """Begin a new branch at a commit; what workers hold of the line that is left changes nothing any more."""
    wish = ready(world.travel.wish(world.head.id, seq, asked))
    _leaving(world, lambda: ready(world.travel.replay(world.head.id, seq, wish, "test")))


def checkout(world: World, branch: int) -> None:
    """Go on with another branch."""
    _leaving(world, lambda: ready(world.travel.checkout(world.head.id, branch, "test")))


def _leaving(world: World, leave: Callable[[], None]) -> None:
    """Leave a line: its timers are gone, and answers to what it had asked make no commit."""
    held, open_before = list(world.outbox.given.values()), set(world.run.progress)
    timed = {task_id for task_id, _ in world.timers.held}
    leave()
    left = open_before - set(world.run.progress)
    if kept := left & ({task_id for task_id, _ in world.timers.held} & timed | set(world.outbox.works)):
        raise Violation(f"tasks {sorted(kept)} of a line that was left are still in flight")
    if due := left & {task_id for task_id, _ in world.store.due[world.head.key]}:
        raise Violation(f"timers of {sorted(due)} are left of a line that was left")
    idle = world.idle
    for work in held:
        before = len(world.store.rows[world.head.key])
        if work.task_id in left:
            world.post(work.task_id, {"output": 1}, steps=0)
            if len(world.store.rows[world.head.key]) != before:
                raise Violation(f"a line that was left acted again: task {work.task_id} was answered")
    world.idle = idle  # who held what plays no part in what is next


# ---- who travels at random


@dataclass
class Traveller:
    """Now and then replays, checks out, edits or retries a run. What it does follows from where the run stands alone,
    so that crashes play no part."""

    seed: int
    script: Script
    often: float = 0.12
    acts: list[str] = field(default_factory=list)
    _seen: set[tuple[int, bool]] = field(default_factory=set)

    def visit(self, world: World, *, rests: bool = False) -> bool:
        """Perhaps do something; once at each commit, and once more where the run rests."""
        place = (world.run.seq, rests)
        if place in self._seen or len(self.acts) >= MOST_ACTS:
            return False
        self._seen.add(place)
        chance = Random(f"{self.seed} travels {place}")
        if chance.random() > (0.6 if rests else self.often):
            return False
        name, act = chance.choice([*ACTS.items()])
        if world.status is RunStatus.FAILED and chance.random() < 0.4:
            name, act = "retry", _retry
        try:
            done = act(world, self.script, chance)
        except EngineError:
            return False
        self.acts += [name] if done else []
        return done


def _replay(world: World, script: Script, chance: Random) -> bool:
    seq = chance.randrange(1, world.run.seq + 1)
    updates = script.updates(chance) if chance.random() < 0.4 else {}
    version = chance.choice([*world.graphs]) if chance.random() < 0.4 else None
    goto = some_nodes(world, chance) if chance.random() < 0.3 else None
    reuse, humans = chance.random() < 0.5, chance.random() < 0.5
    replay(world, seq, Asked(updates=updates, reuse=reuse, reuse_interrupts=humans, goto=goto, version=version))
    return True


def some_nodes(world: World, chance: Random) -> tuple[str, ...]:
    """Nodes to go to."""
    return tuple(chance.choices([*world.graph.nodes], k=chance.choice((1, 1, 2, 3))))


def _checkout(world: World, script: Script, chance: Random) -> bool:
    turns = ready(world.loader.turns(world.head.key))
    branches = [one.number for one in branches_of(turns, world.run.seq) if one.number != world.run.branch]
    if branches:
        checkout(world, chance.choice(branches))
    return bool(branches)


def _inject(world: World, script: Script, chance: Random) -> bool:
    ready(world.travel.inject(world.head.id, script.updates(chance), "test"))
    return True


def _inject_after(world: World, script: Script, chance: Random) -> bool:
    node = chance.choice([*world.run.graph.nodes])
    ready(world.travel.inject_after(world.head.id, node, script.updates(chance), "test"))
    return True


def _retry(world: World, script: Script, chance: Random) -> bool:
    ready(world.travel.retry(world.head.id, RAISED if chance.random() < 0.5 else {}, "test"))
    return True


Act = Callable[[World, Script, Random], bool]
ACTS: Mapping[str, Act] = {
    "replay": _replay, "checkout": _checkout, "inject": _inject, "inject after": _inject_after,
}  # fmt: skip
