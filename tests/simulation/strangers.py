"""Strangers: tasks of other runs, which take turns with those of the run that is played, for the same keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from engine.limits import Gate, LimitReason, Room
from engine.model import RunId, TaskId
from engine.outbox import Stay
from tests.simulation.world import World

RUN = RunId("stranger")
OUTER, INNER = "k", "l"
"""All take their keys in this order, so that there are rings with the run alone."""
MOST = 3
INSIDE = " inside"


@dataclass
class Strangers:
    """A few graphs with one key, that ask for something with another one inside: each comes, goes in, and is over."""

    world: World
    came: int = 0
    here: dict[TaskId, Stay] = field(default_factory=dict)
    """Those that have a room or wait for one, in the order in which they came."""
    went_in: set[TaskId] = field(default_factory=set)

    def events(self) -> list[str]:
        """What they can do next."""
        found = ["come"] if self.came < MOST else []
        for name in self.standing():
            inside = TaskId(name + INSIDE)
            if name.endswith(INSIDE) or (name in self.went_in and inside not in self.here):
                found.append(f"leave {name}")
            elif name not in self.went_in:
                found.append(f"enter {name}")
        return found

    def act(self, what: str) -> None:
        """Do it."""
        kind, _, named = what.partition(" ")
        name = TaskId(named)
        if kind == "come":
            self.came += 1
            self._ask(TaskId(f"stranger {self.came}"), OUTER)
        elif kind == "enter":
            self.went_in.add(name)
            self._ask(TaskId(name + INSIDE), INNER, within=(name,))
        else:
            del self.here[name]
            self.world.outbox.move_out((name,))

    def _ask(self, name: TaskId, key: str, within: tuple[str, ...] = ()) -> None:
        room = Room(gates=(Gate(LimitReason.CONCURRENCY_KEY, key, 1),), within=within)
        stay = self.here[name] = Stay(run_key=0, run_id=RUN, task_id=name, room=room, since=self.world.now)
        self.world.outbox.move_in(stay)

    def standing(self) -> list[TaskId]:
        """Who has a room."""
        known = self.world.outbox.stays.inside
        return [name for name in self.here if name in known]

    @property
    def waits(self) -> bool:
        """Whether one waits for a room, which may be because of the run that is played, and has that wait for it."""
        return len(self.standing()) < len(self.here)

    def gates(self) -> Iterator[Gate]:
        """What they are behind."""
        return (gate for name in self.standing() for gate in self.here[name].room.gates)

    def again(self, had: list[TaskId]) -> None:
        """Their runs are read again after a crash, as the one that is played."""
        for name, stay in self.here.items():
            self.world.outbox.move_in(stay, here=name in had)

    def go(self) -> None:
        """All of them are over."""
        self.world.outbox.move_out(tuple(self.here))
        self.here.clear()
