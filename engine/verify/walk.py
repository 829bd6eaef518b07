"""Where work goes, by walking: what a commit sends along its edges, and the rounds in which `goto` meets a node."""

from __future__ import annotations

from collections.abc import Container, Iterator

from engine import address
from engine.answer import parse_answer
from engine.graph import Graph
from engine.model import END, GOTO, START, Arrival, Commit, Kind, TaskStatus, Wave
from engine.topology import Topology
from engine.values import replace

At = tuple[str, tuple[int, ...]]
"""A node in its rounds."""


def named_by(commit: Commit) -> tuple[str, ...] | None:
    """The nodes that the answer of a task names to come next."""
    return parse_answer(commit.answer).goto if commit.error is None and commit.answer is not None else None


def handles(commit: Commit) -> tuple[str | None, ...]:
    """The handles that a commit leaves by."""
    if commit.kind not in (Kind.START, Kind.NODE) or commit.task_status is TaskStatus.SKIPPED:
        return ()
    return (commit.handle,) if commit.handle else commit.chosen or (None,)


def sent(graph: Graph, commit: Commit, closed: Container[Wave] = ()) -> list[Arrival]:
    """What a commit sends on, over edges or by `goto`; nothing passes the waves that are closed."""
    shape, wave = graph.topology, commit.task.wave if commit.task else Wave(START)
    if not handles(commit):
        return []
    if (names := named_by(commit)) is not None:
        return [Arrival(GOTO, commit.ref, _named(shape, commit, name, closed)) for name in names if name != END]
    found = []
    for handle in handles(commit):
        for edge in shape.edges_from(wave.node, handle):
            rounds = shape.rounds_over(edge.index, wave.rounds)
            found += [Arrival(edge.index, commit.ref, replace(wave, node=edge.target, rounds=rounds))]
    found.sort(key=lambda one: one.edge)  # what comes at one moment comes in the order of the edges
    if commit.kind is Kind.START:
        late = (replace(wave, node=name, rounds=shape.first_rounds(name)) for name in graph.at_the_end)
        found += [Arrival(GOTO, commit.ref, one) for one in late]
    return [arrival for arrival in found if arrival.wave.node != END]


def _named(shape: Topology, commit: Commit, name: str, closed: Container[Wave]) -> Wave:
    """A node that is named keeps the rounds where edges lead to it so; else it is in the next round of the innermost
    common loop in which they do; else, and where that takes no more, in a generation of its own."""
    assert commit.task is not None
    wave = commit.task.wave
    loops, others = (shape.loops_of[shape.number[node]] for node in (wave.node, name))
    shared = sum(1 for one, other in zip(loops, others, strict=False) if one == other)
    reached = _reached(shape, wave, closed)
    tries = [wave.rounds[:shared]]
    tries += [(*wave.rounds[:at], wave.rounds[at] + 1) for at in range(shared - 1, -1, -1)]
    for rounds in tries:
        whole = (*rounds, *[0] * (len(others) - len(rounds)))
        if (name, whole) in reached:
            if (found := replace(wave, node=name, rounds=whole)) not in closed:
                return found
            break
    generation = address.generation_of(address.address_of(commit.task))
    return replace(wave, node=name, rounds=(0,) * len(others), generation=generation)


def _reached(shape: Topology, start: Wave, closed: Container[Wave]) -> set[At]:
    """Every node, in its rounds, that some path leads to, but for rounds that are of no interest."""
    most = max(start.rounds, default=0) + 1
    found, todo = set[At](), list(_steps(shape, (start.node, start.rounds)))
    while todo:
        if (at := todo.pop()) not in found and max(at[1], default=0) <= most:
            found.add(at)
            if replace(start, node=at[0], rounds=at[1]) not in closed:
                todo += _steps(shape, at)
    return found


def _steps(shape: Topology, at: At) -> Iterator[At]:
    for edge in shape.leaving[shape.number[at[0]]]:
        yield shape.names[shape.targets[edge]], shape.rounds_over(edge, at[1])
