"""A seeded scheduler: plays a run to its rest, in an order and with mishaps that chance decides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol
from zlib import crc32

from engine.errors import Invalid
from engine.limits import LIMITED
from engine.model import ErrorInfo, InterruptId, RunStatus, TaskId, TaskStatus
from engine.outbox import Accepted, Answered, Refused, Work
from tests.simulation.ends import same
from tests.simulation.fate import Fate, Violation
from tests.simulation.rooms import check_rooms
from tests.simulation.strangers import Strangers
from tests.simulation.workers import Fault, Script, failure
from tests.simulation.world import World

MOST_EVENTS = 5000
STRANGERS = 0.3
"""So often are there other runs that take turns with the one that is played."""
RESTING = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})

GOING_ON = ("retry", "sleep")
"""Timers with which a task goes on by itself."""

Event = tuple[str, str, str]
"""(what happens, to which task or interrupt, kind of timer)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often what goes wrong; each is a chance per event.

    `slice`: a turn ends before the run has nothing left to plan. `lose`: its batch is not written. `crash`: memory is
    lost between turns. `late`: an old answer comes again. `edit`: a resume carries updates. `keep`: what is noted of
    the run waits for its next turn. `spare_failing`: a run that fails does not crash, which would lose what its workers
    still hold.
    """

    slice: float = 0.0
    lose: float = 0.0
    crash: float = 0.0
    late: float = 0.0
    accept: float = 0.3
    edit: float = 0.0
    keep: float = 0.0
    spare_failing: bool = False


class Visitor(Protocol):
    """Somebody who looks at a run now and then and may change it."""

    def visit(self, world: World, *, rests: bool = False) -> bool:
        """Whether something was done; `rests` says that nothing else is left to happen."""


IN_ORDER = Faults(accept=0.0)
CALM = Faults(slice=0.2, late=0.05, keep=0.5)
ROUGH = Faults(slice=0.3, lose=0.08, crash=0.1, late=0.15, keep=0.5)


@dataclass
class Schedule:
    """Chooses events for a world until nothing can happen any more.

    `order` decides what comes next; `mishaps` what goes wrong, so that the same order can be played with and without.
    `resumes` False leaves interrupts open; `visitor` is who travels in time.
    """

    world: World
    script: Script
    order: Random | None
    mishaps: Random
    faults: Faults
    resumes: bool = True
    visitor: Visitor | None = None
    accepted: set[tuple[TaskId, int]] = field(default_factory=set)
    crashes: int = 0
    edits: int = 0
    waits: int = 0
    rooms: bool = False
    """Whether a task had a room."""
    kept_out: bool = False
    """Whether a task had to wait for one."""

    def __post_init__(self) -> None:
        self.strangers = Strangers(self.world)
        self.alone = self.order is None or Random(f"strangers {self.script.seed}").random() > STRANGERS

    def play(self, most: int | None = None) -> None:
        """Go on until nothing is left to happen, or `most` events have. Raises Violation for a run that hangs."""
        try:
            self._play(most)
        finally:
            self.strangers.go()

    def _play(self, most: int | None) -> None:
        for _ in range(MOST_EVENTS if most is None else most):
            self._mishap()
            self._visited()
            self._tell_who_waits()
            self._look_at_rooms()
            events = self._events()
            if not events and self.world.here.notes:
                self.world.turn()
                continue
            if not events:
                self._rest()
                if not self._visited(rests=True):
                    return
                continue
            self._happen(events[0] if self.order is None else self.order.choice(events))
        if most is None:
            raise Violation(f"the run has not come to rest after {MOST_EVENTS} events")

    def _visited(self, rests: bool = False) -> bool:
        """Let the visitor act; what workers had accepted on a line that was left is sent anew should it come back."""
        if self.visitor is None or not self.visitor.visit(self.world, rests=rests):
            return False
        works = self.world.outbox.works
        self.accepted = {
            (name, attempt) for name, attempt in self.accepted if name in works and self.world.outbox.holds(works[name])
        }
        return True

    def _rest(self) -> None:
        run = self.world.run
        open_interrupts = bool(run.interrupts) and run.status is RunStatus.INTERRUPTED
        if run.status not in RESTING and not open_interrupts and not (run.interrupts and self.strangers.waits):
            raise Violation(f"nothing is in flight and the run is {run.status} with {sorted(self._left())}")
        self._inbox()
        if stale := {task_id for task_id, _ in self.world.timers.held} - run.tasks.keys():
            raise Violation(f"timers are held of tasks that are over: {sorted(stale)}")
        if self.world.head.status is not run.status:
            raise Violation(f"the run is {run.status}, its row says {self.world.head.status}")

    def _inbox(self) -> None:
        """The inbox shows what is open, as what it is. Beside it there is what was open on lines that were left."""
        run, asked = self.world.run, self.world.store.asked
        wanted = {RunStatus.FAILED: "suspended", RunStatus.CANCELLED: "cancelled"}.get(run.status, "open")
        shown = {name for name, (key, status) in asked.items() if key == run.key and status == "open"}
        if shown - run.interrupts.keys() or any(asked[name][1] != wanted for name in run.interrupts):
            raise Violation(f"the run is {run.status}, and its inbox {asked} for {[*run.interrupts]}")

    def _left(self) -> list[str]:
        front = self.world.run.frontier
        return [*(task.node for task in front.tasks.values()), *(f"join {wave.node}" for wave in front.waves)]

    def _events(self) -> list[Event]:
        world, run = self.world, self.world.run
        found: list[Event] = [] if world.idle else [("step", "", "")]
        for task_id, work in world.outbox.works.items():
            if work.accepted_by is not None:
                self.accepted.add((task_id, work.attempt))
            if (task_id, work.attempt) in self.accepted:
                if self.script.part(work).fault(work.attempt) is not Fault.SILENT:
                    found.append(("post", task_id, ""))
            elif world.outbox.holds(work):
                found.append(("reply", task_id, ""))
            elif world.outbox.waits_for(task_id) is None:
                found.append(("send", task_id, ""))
        found += [("fire", task_id, kind) for task_id, kind in world.timers.held if self._may_fire(task_id, kind)]
        if run.status not in RESTING:
            found += self._of_others()
        return found if self.order is None else sorted(found)

    def _of_others(self) -> list[Event]:
        """What people do, and other runs."""
        run, found = self.world.run, list[Event]()
        if self.resumes and not run.failing:
            found += [("resume", name, "") for name, opened in run.interrupts.items() if not self.script.silent(opened)]
        if not self.alone:
            found += [("stranger", what, "") for what in self.strangers.events()]
        return found

    def _may_fire(self, task_id: TaskId, kind: str) -> bool:
        """A deadline passes only where the worker is silent: a race of time with an answer decides a result."""
        work = self.world.outbox.works.get(task_id)
        run = self.world.run
        if kind in GOING_ON:
            return not run.failing and run.status not in RESTING
        if kind == "expiry":
            asked = [opened for opened in run.interrupts.values() if opened.task_id == task_id]
            return (
                self.resumes and not run.failing and run.status not in RESTING and any(map(self.script.silent, asked))
            )
        return work is not None and self.script.part(work).fault(work.attempt) is Fault.SILENT

    def _happen(self, event: Event) -> None:
        what, name, kind = event
        world, chance = self.world, self.mishaps
        world.now += 1
        steps = chance.randrange(1, 4) if chance.random() < self.faults.slice else 1_000_000
        lost = chance.random() < self.faults.lose and what != "stranger"
        keeps = chance.random() < self.faults.keep and not lost  # what waits is in no turn that could be lost
        world.fate = Fate(steps=steps, lost=lost, keeps=keeps)
        act: dict[str, Callable[[], None]] = {
            "step": world.turn,
            "send": lambda: world.send(TaskId(name)),
            "reply": lambda: self._reply(world.outbox.works[TaskId(name)]),
            "post": lambda: self._post(world.outbox.works[TaskId(name)]),
            "fire": lambda: world.fire(TaskId(name), kind),
            "resume": lambda: self._resume(InterruptId(name)),
            "stranger": lambda: self.strangers.act(name),
        }
        standing = self.strangers.standing()
        act[what]()
        if world.fate.lost:
            self._forget_lost(standing)
        world.fate = Fate()

    def _forget_lost(self, standing: list[TaskId]) -> None:
        self.crashes += 1
        self.strangers.again(standing)
        self._forget_unwritten()

    def _forget_unwritten(self) -> None:
        """What workers had accepted is sent again, unless that was written."""
        works = self.world.outbox.works.items()
        self.accepted = {(name, work.attempt) for name, work in works if work.accepted_by is not None}

    def _look_at_rooms(self) -> None:
        self.world.look_for_rings()
        check_rooms(self.world, self.strangers)
        bounded = [one for one in self.world.run.progress.values() if one.room is not None and one.room.bounds]
        self.rooms |= any(one.has_room for one in bounded)
        self.kept_out |= any(not one.has_room and one.reason in LIMITED for one in bounded)

    # ---- workers

    def _tell_who_waits(self) -> None:
        """It is told why attempts have to wait for their turn, and once they have it that a worker is looked for."""
        outbox = self.world.outbox
        for task_id, work in tuple(outbox.works.items()):
            if task_id not in outbox.turns or outbox.holds(work):
                continue
            if reason := outbox.waits_for(task_id):
                self.waits += 1
                self.world.delivery.waiting(work, reason)
            elif reason is None and self._waited_for_its_turn(task_id):
                self.world.delivery.waiting(work, "capacity")

    def _waited_for_its_turn(self, task_id: TaskId) -> bool:
        progress = self.world.run.progress.get(task_id)
        return progress is not None and progress.status is TaskStatus.WAITING and progress.reason in LIMITED

    def _reply(self, work: Work) -> None:
        fault = self.script.part(work).fault(work.attempt)
        if fault is Fault.SILENT or (fault is not Fault.REFUSED and self._accepts(work)):
            self.accepted.add((work.task_id, work.attempt))
            self.world.reply(work, Accepted())
        elif fault is Fault.REFUSED:
            refusal = Refused(error=ErrorInfo(code="transport", message="no"), retryable=True, transport=True)
            self.world.reply(work, refusal)
        else:
            self.world.reply(work, Answered(body=self._body(work)))

    def _accepts(self, work: Work) -> bool:
        return crc32(f"{work.node}{work.attempt}{self.script.seed}".encode()) % 100 < 100 * self.faults.accept

    def _post(self, work: Work) -> None:
        self.accepted.discard((work.task_id, work.attempt))
        self.world.post(work.task_id, self._body(work))

    def _body(self, work: Work) -> Any:
        part = self.script.part(work)
        fault = part.fault(work.attempt)
        return part.body(work) if fault is None else failure(fault)

    def _resume(self, interrupt: InterruptId) -> None:
        opened = self.world.run.interrupts[interrupt]
        asks, chance = opened.kind != "breakpoint", Random(f"{self.script.seed} {interrupt}")
        value = self.script.value(opened.node, opened.message) if asks else None
        updates = self.script.updates(chance) if chance.random() < self.faults.edit else {}
        try:
            self.world.resume(interrupt, value, updates)
            self.edits += bool(updates)
        except Invalid:
            self.world.resume(interrupt, {"text": "ok", "n": 1} if asks else {})

    # ---- mishaps

    def _mishap(self) -> None:
        if self.mishaps.random() < self.faults.crash and not (self.faults.spare_failing and self.world.run.failing):
            self.crash()
        if self.world.seen and self.mishaps.random() < self.faults.late:
            self._again(self.mishaps.choice(self.world.seen))

    def _failed_by(self) -> dict[TaskId, str]:
        """The tasks that are to be asked of others than of who has failed them."""
        over = (TaskStatus.FAILED, TaskStatus.INTERRUPTED)
        found = self.world.run.progress.items()
        return {name: one.failed_by for name, one in found if one.failed_by is not None and one.status not in over}

    def crash(self) -> None:
        """Lose the memory. Timers that had gone off do so again, what a worker had not accepted is sent again, at once,
        and who had their turn have it first, so that the order stays the same."""
        self.crashes += 1
        works = self.world.outbox.works.items()
        given = [
            name for name, work in works if self.world.outbox.holds(work) and (name, work.attempt) not in self.accepted
        ]
        idle, held = self.world.idle, set(self.world.timers.held)
        outbox, standing, failed = self.world.outbox, self.strangers.standing(), self._failed_by()
        passed, halfway = outbox.passed(), outbox.waiting_halfway() if self.faults.spare_failing else {}
        self.world.crash()
        same("who has failed", failed, self._failed_by(), "read again")
        outbox.first, outbox.halfway, outbox.shut, outbox.knotted = passed, halfway, True, self.world.rings
        self.strangers.again(standing)
        self._forget_unwritten()
        if idle:
            self.world.turn(kept=True)
        for name, kind in [timer for timer in self.world.timers.held if timer not in held and timer[1] in GOING_ON]:
            self.world.fire(name, kind)
        outbox.shut = False
        outbox.halfway.clear()
        if self.world.idle:
            self.world.outbox.open()
        for name in given:
            if name in outbox.works and not outbox.holds(outbox.works[name]) and outbox.waits_for(name) is None:
                self.world.send(name)

    def _again(self, work: Work) -> None:
        """An answer comes that came before, or that comes late: only for a task whose end it does not change."""
        part, run = self.script.part(work), self.world.run
        if work.run_id != run.id or (
            run.open_task(work.task_id) is not None and part.fails(self.script.graph_of(work), work.node)
        ):
            return
        fault = part.fault(work.attempt)
        if self.mishaps.random() < 0.5 and fault not in (Fault.REFUSED, Fault.SILENT):
            self.world.reply(work, Answered(body=self._body(work)))
        elif run.open_task(work.task_id) is None:
            self.world.post(work.task_id, self._body(work))
