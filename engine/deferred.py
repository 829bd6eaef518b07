"""Deferred nodes: what arrives there waits until nothing else is active, and their tasks see the whole state (3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from engine.address import generation_of, task_id_of
from engine.fold import Entry
from engine.frame import Frame
from engine.model import DEFERRED, GOTO, START, Arrival, Ref, Task, Wave
from engine.run import Run
from engine.values import replace


def put_off(run: Run, task: Task, cause: Ref, arrivals: Sequence[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
    """Part what is sent on into what takes effect now and what waits at deferred nodes. Those without an edge wait
    from the start on."""
    graph = run.frames.of(task).graph
    late = graph.deferred
    if not late:
        return list(arrivals), []
    wait = [replace(one, place=DEFERRED) for one in arrivals if one.edge != GOTO and one.wave.node in late]
    if task.node == START:
        shape, frame = graph.topology, task.wave.frame
        wait += [Arrival(GOTO, cause, Wave(n, shape.first_rounds(n), frame), DEFERRED) for n in graph.at_the_end]
    return [one for one in arrivals if one.edge == GOTO or one.wave.node not in late], wait


def is_last(run: Run, task: Task) -> bool:
    """Whether nothing is active but a task, the items of it, and what waits at deferred nodes."""
    front = run.frames.of(task).frontier
    if front.waves or front.held:
        return False
    return all(task.id in (one.id, one.call) for one in front.tasks.values())


def next_deferred(run: Run, frame: Frame, coming: Entry | None, new: Sequence[Arrival] = ()) -> Task | None:
    """The task of the deferred node of a frame that is next, once nothing else is active there; `coming` is the commit
    that is being planned.

    Everything that nothing followed from causes it, and what follows from it joins only within itself.
    """
    found: dict[str, list[Arrival]] = {node: list(some) for node, some in frame.frontier.deferred.items()}
    for arrival in new:
        found.setdefault(arrival.wave.node, []).append(arrival)
    if not found:
        return None
    depths = frame.graph.depths
    node = min(found, key=lambda name: (depths[name], frame.graph.nodes[name].position))
    ends = frame.history.ends(coming)
    edges = tuple(sorted(one.edge for one in found[node] if one.edge != GOTO))
    came = sorted((one.edge, one.wave.rounds, one.wave.generation) for one in found[node])
    wave = Wave(node, frame.graph.topology.first_rounds(node), frame.id, generation_of(f"{node}|{came}"))
    level = 1 + max(frame.history.max_level, coming.order[0] if coming is not None else 0)
    return Task(
        id=task_id_of(run, wave, (end.task_id for end in ends), edges, None), wave=wave,
        causes=tuple(end.ref for end in ends),
        level=level, edges=edges, place=DEFERRED,
    )  # fmt: skip
