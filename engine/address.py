"""Names that follow from where a task stands: its id, its address, and the origin of its messages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from engine.fold import Entry
from engine.model import ERA, InterruptId, Task, TaskId, Wave
from engine.run import Run
from engine.values import replace

_ERAS = re.compile(rf"{ERA}[{ERA}\d.]*(?=/|$)")


def task_id_of(run: Run, wave: Wave, causes: Iterable[str], edges: Iterable[int], index: int | None) -> TaskId:
    """A task's id: a pure function of run, branch, place, the ids of the causing tasks, edges and index (3.1)."""
    text = f"{run.id}|{run.branch}|{wave.frame}|{wave.node}|{wave.rounds}|{wave.generation}|{index}"
    parts = (text, *causes, "|".join(map(str, edges)))
    return TaskId(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32])


def address_of(task: Task) -> str:
    """Where a task stands, the same in every run of its origin (3.2); an item's send is not in it."""
    wave = task.wave
    text = f"{wave.frame}|{wave.node}|{wave.rounds}|{wave.generation}|{task.index}"
    return f"{text}|{task.place}" if task.place else text


def place_of(cause: Task, edge: int) -> str:
    """What tells a task that this one activates by itself from others at the same node: its edge and address."""
    return _short(f"{edge}|{address_of(cause)}")


def apart_place(cause: Entry, edge: int) -> str:
    """The same for what arrived where it would have joined with others, and is now to activate its node by itself."""
    return _short(f"{edge}|{cause.node}|{cause.order}")


def generation_of(opener: str) -> str:
    """The name of the generation that is opened there: work of another one never joins with what follows."""
    return _short(f"generation|{opener}")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def origin_of(run: Run, task: Task) -> str:
    """What a task's messages are named after: the run they first belonged to and the task's address (2.1)."""
    return _digest(run, task, address_of(task))


def recalled_as(run: Run, task: Task) -> str:
    """What a task's answer is remembered by: its address, whatever versions came since."""
    return _digest(run, task, address_of(_timeless(task)))


def _timeless(task: Task) -> Task:
    """A task in the place that it would have had without any change of version."""
    wave = task.wave
    frame = _ERAS.sub("", wave.frame) if ERA in wave.frame else wave.frame
    wave = replace(wave, frame=frame, generation=wave.generation.partition(ERA)[0])
    return replace(task, wave=wave, place="" if task.place.startswith(ERA) else task.place)


def _digest(run: Run, task: Task, address: str) -> str:
    text = f"{run.origin_id}|{address}"
    if task.call is not None:  # several sends, or one send several times, may run a node for one index
        text = f"{text}|{run.tasks[task.call].node}|{task.slot}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def interrupt_id_of(task: Task, before: int = 0) -> InterruptId:
    """The id of an interrupt that a task opens; `before` is how many it has opened."""
    text = f"{task.id}|interrupt" if not before else f"{task.id}|interrupt|{before}"
    return InterruptId(hashlib.sha256(text.encode()).hexdigest()[:32])


def frame_of(run: Run, task: Task, turn: int, attempt: int) -> str:
    """The name of the frame that a subgraph's task runs: where it stands, in the frame around it. Behind `~` stands
    what tells it from others of the same node and rounds, at the end the eras that it stands in."""
    wave = task.wave
    rounds = ".".join(str(number + 1) for number in wave.rounds) if any(wave.rounds) else ""
    place = f"{wave.frame}/{task.node}" if wave.frame else task.node
    place += f"#{rounds}" if rounds else ""
    place += f"[{task.index}]" if task.index is not None else ""
    plain = _timeless(task)
    rest = _digest(run, task, address_of(plain))[:8] if plain.place or plain.wave.generation or task.call else ""
    era = wave.generation[len(plain.wave.generation) :] + (task.place if task.place.startswith(ERA) else "")
    return f"{place}~{rest}{turn}.{attempt}{era}" if rest or turn > 1 or attempt > 1 or era else place
