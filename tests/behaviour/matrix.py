"""Plays each cell of the matrix in both orders of answers, and says how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.codec import loads
from engine.model import TERMINAL, RunStatus
from engine.validate import validate
from tests.behaviour.plays import BRANCHES, ITEMS, H, Play, task, waits_at
from tests.builders import graph_of
from tests.simulation.world import World

Fields = Mapping[str, Any]

STATE = {
    "log": {"type": "array", "reducer": "append"},
    "saw": {"type": "array", "reducer": "append"},
    "count": {"type": "integer"},
    "items": {"type": "array", "default": ["x", "y", "z"]},
    "results": {"type": "array"},
}
JOINS: Mapping[str, Fields] = {
    "`all`": {},
    "`any`": {"join": "any"},
    "`first`": {"join": "first"},
    "`quorum` 2": {"join": {"quorum": 2}},
    "`each`": {"join": "each"},
    "deferred": {"defer": True},
}
SENDS: Mapping[str, tuple[Fields, bool]] = {
    "`fail`": ({"on_item_error": "fail"}, False),
    "`fail`, and `s:error` leads to `h`": ({"on_item_error": "fail"}, True),
    "`fail`, and `on_error: continue` at `s`": ({"on_item_error": "fail", "on_error": "continue"}, False),
    "`skip`": ({"on_item_error": "skip"}, False),
    "`collect`": ({"on_item_error": "collect"}, False),
}
"""The fields of the send, and whether its error edge leads to `h`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its status, what failed it, what `j` saw each time that it ran, and whether `h` ran."""

    status: RunStatus
    code: str | None
    saw: tuple[str, ...]
    handled: bool

    def __str__(self) -> str:
        status = self.status.value + (f" `{self.code}`" if self.code else "")
        beside = "; `h` ran" if self.handled and not any("h" in text.split() for text in self.saw) else ""
        return f"{status}: {' / '.join(text or 'nothing' for text in self.saw) or '—'}{beside}"


def branch_cell(play: Play, join: Fields) -> str:
    """What a join makes of what happens to `b`, in words."""
    document = _branches(play, join)
    first, last = [_played(document, order) for order in (_a_first(play), _b_first(play))]
    return _words(first, last, "`a` first", "`b` first")


def item_cell(play: Play, send: str) -> str:
    """What a send makes of what happens to one of its items, in words."""
    document = _items(play, send)
    first, last = [_played(document, order) for order in (_others_first(play), _item_first(play))]
    return _words(first, last, "the others first", "this item first")


def _words(first: Ended, last: Ended, one: str, other: str) -> str:
    return str(first) if first == last else f"{one}: {first}<br>{other}: {last}"


# ---- documents


def _branches(play: Play, join: Fields) -> dict[str, Any]:
    error = "{% if error is defined %}!{{ error.code }}{% endif %}" if ("b:error", "j") in play.edges else ""
    saw = "{{ state.log | join(' ') }}" + error
    nodes = {
        "a": task(),
        "b": dict(play.node) or task(),
        **play.more,
        "j": {"type": "transform", "updates": {"saw": saw}, **join},
    }
    edges = [("__start__", "a"), ("__start__", "b"), ("a", "j"), *play.edges, ("j", "__end__")]
    return _document(nodes, edges)


def _items(play: Play, send: str) -> dict[str, Any]:
    fields, by_edge = SENDS[send]
    handled = [("s:error", "h"), ("h", "__end__")] if by_edge else []
    nodes = {
        "s": {"type": "send", "items_key": "items", "target_node": "b", "output_key": "results", **fields},
        "b": {**(dict(play.node) or task())},
        "j": {"type": "transform", "updates": {"saw": "{{ state.results | default('no results') | tojson }}"}},
        **(H if by_edge else {}),
    }
    return _document(nodes, [("__start__", "s"), ("s", "j"), *handled, ("j", "__end__")])


def _document(nodes: Fields, edges: list[tuple[str, str]]) -> dict[str, Any]:
    config = {"timeout_ms": 3_600_000}
    document = {"id": "cell", "state_schema": STATE, "nodes": nodes, "edges": list(map(list, edges)), "config": config}
    faults = [problem for problem in validate(document) if problem.severity == "error"]
    assert not faults, faults
    return document


# ---- orders

Order = Callable[[World], None]


def _a_first(play: Play) -> Order:
    def order(world: World) -> None:
        _a(world)
        if world.status not in TERMINAL:  # a join may have ended the run without `b`
            play.act(world)

    return order


def _b_first(play: Play) -> Order:
    def order(world: World) -> None:
        play.act(world)
        _a(world)

    return order


def _a(world: World) -> None:
    if waits_at(world, "a"):
        world.send(next(work.task_id for work in world.outbox.works.values() if work.node == "a"))
        world.answer("a", {"output": "a"})


def _others_first(play: Play) -> Order:
    def order(world: World) -> None:
        _others(world)
        play.act(world)

    return order


def _item_first(play: Play) -> Order:
    def order(world: World) -> None:
        for work in list(world.outbox.works.values()):
            world.send(work.task_id)
        play.act(world)
        _others(world)

    return order


def _others(world: World) -> None:
    for index in (0, 2):
        if any(work.request.index == index for work in world.outbox.works.values()):
            world.answer("b", {"output": str(index)}, index)


# ---- playing


def _played(document: dict[str, Any], order: Order) -> Ended:
    world = World(graph_of(document))
    world.start()
    for work in list(world.outbox.works.values()):
        if work.node == "a":
            world.send(work.task_id)
    order(world)
    assert world.idle and not world.outbox.works, f"something is left to be answered: {world.waiting()}"
    error = world.run.error
    saw = tuple(map(_seen, world.state["saw"]))
    return Ended(world.status, error and error.code, saw, "h" in world.state["log"])


def _seen(text: str) -> str:
    """What `j` saw: names and an error, or the results of a send one by one."""
    if not text.startswith(("[", '"')):
        names, _, code = text.partition("!")
        return ", ".join(part for part in (names, code and f"error `{code}`") if part)
    found = loads(text.encode())
    return found if isinstance(found, str) else ", ".join(map(_result, found))


def _result(result: Any) -> str:
    return f"error `{result['code']}`" if isinstance(result, dict) else str(result)


def table(title: str, rows: tuple[Play, ...], columns: Mapping[str, Any], cell: Callable[[Play, str], str]) -> str:
    """A table of Markdown."""
    head = f"| {title} | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}\n"
    return head + "".join(f"| {play.name} | {' | '.join(cell(play, name) for name in columns)} |\n" for play in rows)


def tables() -> tuple[str, str]:
    """The table of branches at joins, and that of items of a send."""
    branches = table("`b` …", BRANCHES, JOINS, lambda play, name: branch_cell(play, JOINS[name]))
    return branches, table("the item …", ITEMS, SENDS, item_cell)
