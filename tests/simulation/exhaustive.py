"""Every small graph in every order: all shapes of a few tasks and routes, each played in all orders of their answers.

Shapes are taken up to the names of their nodes. A task leads to at most two places, a route to two; a route goes one
way until a certain step and the other way from then on, or both ways at first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from itertools import chain, combinations, permutations, product
from typing import Any

from engine import answers, control
from engine.activation import limit_error
from engine.commits import Step
from engine.driver.loading import new_run
from engine.graph import Graph
from engine.joins import recount
from engine.model import Kind, RunHead, RunId, RunStatus, make_ref
from engine.parse import parse
from engine.planner import Dispatch, step
from engine.run import Run
from engine.topology import Topology
from tests.simulation.documents import is_valid

END = -1
NAMES = "abcd"
TASK, ROUTE = "task", "route"
TURNS_AT = 4
MOST_STEPS = 9
MOST_ROUNDS = 2
BEYOND = MOST_ROUNDS + 2
CHUNK = 100
MOST_EDGES = {2: 9, 3: 9, 4: 8}
"""How many edges a graph of so many nodes has at most, those of the start and to the end with them."""

Node = tuple[str, tuple[int, ...]]
"""A kind, and the nodes that it leads to."""
Shape = tuple[tuple[int, ...], tuple[Node, ...]]
"""The nodes that the start leads to, and all nodes."""
Told = Callable[[str], None]


@dataclass
class Count:
    """What was played; `failed` are shapes with what went wrong."""

    graphs: int = 0
    runs: int = 0
    failed: list[tuple[Shape, str]] = field(default_factory=list)

    def add(self, other: Count) -> None:
        self.graphs += other.graphs
        self.runs += other.runs
        self.failed += other.failed

    def as_json(self) -> dict[str, Any]:
        return {"graphs": self.graphs, "runs": self.runs, "failed": [message for _, message in self.failed]}


# ---- shapes


def shapes(size: int, most_edges: int | None = None) -> Iterator[Shape]:
    """All shapes of so many nodes, one of each class that differs in names alone."""
    most = MOST_EDGES[size] if most_edges is None else most_edges
    entries = [(0,), (0, 1)] if size > 1 else [(0,)]
    for entry, nodes in product(entries, product(*(_nodes(number, size) for number in range(size)))):
        edges = len(entry) + sum(len(targets) for _, targets in nodes)
        if edges <= most and _connected(entry, nodes) and _is_first(entry, nodes):
            yield entry, nodes


def _nodes(number: int, size: int) -> list[Node]:
    others = [node for node in range(size) if node != number]
    several = chain([()], combinations([*others, END], 1), combinations([*others, END], 2))
    return [(TASK, found) for found in several] + [(ROUTE, found) for found in combinations([*range(size), END], 2)]


def _connected(entry: tuple[int, ...], nodes: tuple[Node, ...]) -> bool:
    found, todo = set[int](), list(entry)
    while todo:
        if (node := todo.pop()) not in found:
            found.add(node)
            todo += nodes[node][1] if node != END else ()
    return END in found and len(found) == len(nodes) + 1


def _is_first(entry: tuple[int, ...], nodes: tuple[Node, ...]) -> bool:
    """Whether no other order of the nodes gives a smaller description."""
    here = _described(entry, nodes, tuple(range(len(nodes))))
    return all(here <= _described(entry, nodes, order) for order in permutations(range(len(nodes))))


def _described(entry: tuple[int, ...], nodes: tuple[Node, ...], names: tuple[int, ...]) -> Any:
    """The shape where node `n` is called `names[n]`."""
    new = {**dict(enumerate(names)), END: END}
    rows = sorted((new[old], kind, sorted(new[to] for to in targets)) for old, (kind, targets) in enumerate(nodes))
    return sorted(new[old] for old in entry), rows


# ---- documents


def documents(shape: Shape) -> Iterator[dict[str, Any]]:
    """The shape as documents, one for each way in which its routes choose, where they are valid."""
    entry, nodes = shape
    styles = range(3) if any(kind == ROUTE for kind, _ in nodes) else range(1)
    for style in styles:
        found = {
            "id": "small",
            "state_schema": {"log": {"type": "array", "reducer": "append"}},
            "config": {"max_steps": MOST_STEPS, "max_tasks": 60},
            "nodes": {NAMES[number]: _node(kind, targets, style) for number, (kind, targets) in enumerate(nodes)},
            "edges": [["__start__", NAMES[number]] for number in entry] + list(_edges(nodes)),
        }
        if not is_valid(found):
            return
        yield found


def _name(number: int) -> str:
    return "__end__" if number == END else NAMES[number]


def _handle(number: int) -> str:
    return "end" if number == END else NAMES[number]


def _node(kind: str, targets: tuple[int, ...], style: int) -> dict[str, Any]:
    if kind == TASK:
        return {"type": TASK, "reads": ["log"], "output_key": "log"}
    one, other = map(_handle, targets)
    first: str | list[str] = (one, other, [one, other])[style]
    rules = [{"when": f"meta.step < {TURNS_AT}", "to": first}]
    return {"type": ROUTE, "rules": rules, "default": one if style == 1 else other}


def _edges(nodes: tuple[Node, ...]) -> Iterator[list[str]]:
    for number, (kind, targets) in enumerate(nodes):
        for target in targets:
            source = NAMES[number] if kind == TASK else f"{NAMES[number]}:{_handle(target)}"
            yield [source, _name(target)]


# ---- runs


def end_of(graph: Graph, choices: list[int]) -> tuple[Any, list[int]]:
    """Where a run ends that takes its waiting tasks by these choices, then always the first; and from how many each
    choice was made. What is asked and done is told by task."""
    run, pending, among = _started(graph), dict[str, Dispatch](), list[int]()
    facts: dict[Any, Any] = {}
    while True:
        while (found := step(run, 0)) is not None:
            if isinstance(found, Dispatch):
                pending[found.task.id] = found
                facts[found.task.id] = (found.task.wave, found.task.level, found.task.edges, found.ask.request.state)
            elif isinstance(found, Step):
                _take(run, found)
        if not pending or run.failing:
            return (run.status, None if run.failing else run.history.shown(), facts), among
        at = choices[len(among)] if len(among) < len(choices) else 0
        among.append(len(pending))
        asked = pending.pop(sorted(pending)[at])
        body = {"output": f"{asked.task.node}{len(asked.ask.request.state['log'])}"}
        done = answers.answered(run, asked.task.id, 1, body, None, 0, 0.5)
        assert isinstance(done, Step)
        _take(run, done)


def _started(graph: Graph) -> Run:
    head = RunHead(
        key=1, id=RunId("run"), workflow_id="small", workflow_version=1, status=RunStatus.RUNNING,
        head=make_ref(1, 0), created_at=0, updated_at=0,
    )  # fmt: skip
    run = new_run(head, graph)
    _take(run, control.start(run, 0, "test"))
    return run


def _take(run: Run, found: Step) -> None:
    run.take(found.commit, found.fresh, found.blockers)
    run.limit = run.limit or limit_error(run)
    kept = run.frontier.blockers
    assert kept is None or kept == recount(run.graph, run.frontier), "the counts of waiting waves are wrong"
    if found.commit.kind is Kind.END:
        assert run.frontier.empty, "work is left at the end"


def check(graph: Graph) -> int:
    """Play a graph in every order; the number of orders. Raises AssertionError where two of them differ."""
    first, among = end_of(graph, [])
    assert first[0] in (RunStatus.COMPLETED, RunStatus.FAILED), f"the run is {first[0]} and nothing is in flight"
    orders, choices = 1, _next([], among)
    while choices is not None:
        found, among = end_of(graph, choices)
        _same(first, found, choices)
        orders, choices = orders + 1, _next(choices, among)
    return orders


def _same(first: Any, found: Any, choices: list[int]) -> None:
    """The same end; a run that fails may have asked others before it did."""
    assert first[:2] == found[:2], f"{first[:2]} in the first order, {found[:2]} in {choices}"
    for task in (
        first[2].keys() & found[2].keys() if first[0] is RunStatus.FAILED else first[2].keys() | found[2].keys()
    ):
        one, other = first[2].get(task), found[2].get(task)
        assert one == other, f"{one} in the first order, {other} in {choices}"


def _next(choices: list[int], among: list[int]) -> list[int] | None:
    """The choices after these, where each was made among so many; None after the last."""
    row = [*choices, *([0] * (len(among) - len(choices)))]
    while row:
        last = row.pop()
        if last + 1 < among[len(row)]:
            return [*row, last + 1]
    return None


# ---- what can reach what


def check_reach(shape: Topology) -> None:
    """What a topology says can reach what, against a walk over all nodes and rounds. Raises AssertionError."""
    after = {at: _steps(shape, *at) for at in _met(shape)}
    few = [at for at in after if max(at[1], default=0) <= MOST_ROUNDS]
    for work in few:
        reached, todo = set[tuple[str, tuple[int, ...]]](), list(after[work])
        while todo:
            if (at := todo.pop()) in after and at not in reached:
                reached.add(at)
                todo += after[at]
        for node, rounds in few:
            if node not in ("__start__", "__end__"):
                said = shape.can_reach(*work, node, rounds)
                assert said == ((node, rounds) in reached), f"{work} to {(node, rounds)}: it says {said}"


def _met(shape: Topology) -> set[tuple[str, tuple[int, ...]]]:
    found, todo = set[tuple[str, tuple[int, ...]]](), [("__start__", tuple[int, ...]())]
    while todo:
        at = todo.pop()
        if at not in found and max(at[1], default=0) <= BEYOND:
            found.add(at)
            todo += _steps(shape, *at)
    return found


def _steps(shape: Topology, node: str, rounds: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    edges = shape.leaving[shape.number[node]]
    return [(shape.names[shape.targets[edge]], shape.rounds_over(edge, rounds)) for edge in edges]


# ---- all of them


def check_some(found: list[Shape]) -> Count:
    """Check some shapes."""
    count = Count()
    for shape in found:
        try:
            for number, document in enumerate(documents(shape)):
                graph = parse(document, "small", 1)
                if number == 0:
                    check_reach(graph.topology)
                count.runs += check(graph)
                count.graphs += 1
        except AssertionError as wrong:
            count.failed.append((shape, str(wrong)))
    return count


def check_all(jobs: int, size: int, said: Told) -> Count:
    """Check all shapes of up to so many nodes."""
    count = Count()
    with ProcessPoolExecutor(jobs) as pool:
        rows = [row for nodes in range(1, size + 1) for row in _rows(shapes(nodes) if nodes > 1 else shapes(1, 3))]
        for number, done in enumerate(as_completed([pool.submit(check_some, row) for row in rows])):
            count.add(done.result())
            if number % 10 == 0:
                said(f"{count.graphs} small graphs, {count.runs} runs, {len(count.failed)} failed")
    return count


def _rows(found: Iterator[Shape]) -> Iterator[list[Shape]]:
    row: list[Shape] = []
    for shape in found:
        row.append(shape)
        if len(row) == CHUNK:
            yield row
            row = []
    if row:
        yield row
