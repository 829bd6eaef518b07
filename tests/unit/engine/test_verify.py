"""The checker says nothing of a run that is right, and names what is wrong with one that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import NotFound
from engine.model import Commit, Kind, RunId, TaskId
from engine.ports import CommitRow
from engine.record import decode, encode
from engine.verify import verify_rows, verify_run
from tests.builders import document, graph_of, task, writes
from tests.fakes import ready
from tests.simulation.world import World

EDGES = [("__start__", "a"), ("__start__", "b"), ("a", "j"), ("b", "j"), ("j", "k"), ("k", "__end__")]
NODES = {"a": task(output_key="log"), "b": task(output_key="log"), "j": task(reads=["log"]), "k": writes(n=2)}


def completed() -> World:
    """A run of two branches, their join and a transform: start, b, a, j, k, end."""
    world = World(graph_of(document(NODES, EDGES)))
    world.start()
    for node in ("b", "a", "j"):
        world.answer(node, node)
    return world


def problems(change: Callable[[Commit], Commit], seq: int, columns: dict[str, Any]) -> list[str]:
    """What is found when one commit of the completed run says something else."""
    world = completed()
    rows = [changed(row, change, columns) if row.seq == seq else row for row in world.rows()]
    return verify_rows(world.head, world.graphs, 1, rows).problems


def changed(row: CommitRow, change: Callable[[Commit], Commit], columns: dict[str, Any]) -> CommitRow:
    commit = change(decode(row))
    return row._replace(body=encode(commit), kind=commit.kind, level=commit.level, **columns)


def same(commit: Commit) -> Commit:
    return commit


def test_a_run_that_is_right_has_no_problems() -> None:
    world = completed()

    report = verify_rows(world.head, world.graphs, 1, world.rows())

    assert (report.problems, report.commits, report.tasks) == ([], 6, 4)
    assert report.state == world.state


def too_much() -> World:
    """A run whose two branches add up to more than an integer holds where they meet: start, a, b, failure of j."""
    adds = task(output_key="n")
    world = World(graph_of(document({**NODES, "a": adds, "b": adds}, EDGES)))
    world.start()
    for node in ("a", "b"):
        world.answer(node, {"output": 2**62})
    return world


def test_a_task_fails_rightly_where_a_reducer_refuses_what_comes_together() -> None:
    world = too_much()
    told = [
        row._replace(body=row.body.replace(b'"details":{"key":"n"}', b'"details":{"key":"log"}'))
        for row in world.rows()
    ]

    assert verify_rows(world.head, world.graphs, 1, world.rows()).problems == []
    found = verify_rows(world.head, world.graphs, 1, told).problems
    assert found == ["4 failure j: its node decides otherwise on what the task sees"]


def test_a_run_is_checked_through_the_store_on_the_line_of_its_parents() -> None:
    world = completed()
    world.fork(3, {"n": 5})
    world.answer("j", "again")

    async def graph(workflow_id: str, version: int) -> Any:
        return world.graph

    report = ready(verify_run(world.store, RunId("run-2"), graph))  # type: ignore[arg-type]

    assert (report.problems, report.commits, report.state["n"]) == ([], 4, 7)


def test_a_run_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound):
        ready(verify_run(World(graph_of(document(NODES, EDGES))).store, RunId("none"), None))  # type: ignore[arg-type]


WRONG: dict[str, tuple[Callable[[Commit], Commit], int, dict[str, Any], str]] = {
    "a gap": (same, 3, {"seq": 4}, "gap"),
    "another version": (same, 3, {"version": 9}, "gap"),
    "another parent": (same, 3, {"parent": None}, "gap"),
    "an older lease": (same, 3, {"epoch": -1}, "epoch"),
    "a wrong level": (lambda c: replace(c, level=7), 4, {}, "level"),
    "a cause of the future": (lambda c: replace(c, causes=(c.ref + 9,)), 4, {}, "cause"),  # type: ignore[arg-type]
    "another write": (lambda c: replace(c, writes=(("log", "x"),)), 3, {}, "decides otherwise"),
    "a write of another kind": (lambda c: replace(c, writes=(("n", "many"),)), 5, {}, "expected a number"),
    "another transform": (lambda c: replace(c, writes=(("n", 3),)), 5, {}, "decides otherwise"),
    "another input": (lambda c: replace(c, input_hash="00"), 4, {}, "decides otherwise"),
    "an answer without its task": (lambda c: replace(c, closed=()), 5, {}, "work is left"),
    "an answer that comes again": (
        lambda c: replace(c, closed=(*c.closed, TaskId("gone"))), 4, {}, "closes what is not open",
    ),
    "an arrival that is lost": (lambda c: replace(c, waiting=()), 2, {}, "arrivals are lost"),
    "a join that does not wait": (lambda c: replace(c, opened=c.opened[:1] * 2), 3, {}, "has other causes"),
    "a commit of no task": (lambda c: replace(c, kind=Kind.NODE, task=None), 5, {}, "arrivals are lost"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "seq", "columns", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(
    change: Callable[[Commit], Commit], seq: int, columns: dict[str, Any], words: str
) -> None:
    found = problems(change, seq, columns)

    assert any(words in problem for problem in found), found


def test_a_snapshot_of_another_state_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.rebuild.MIN_ROWS", 1)
    monkeypatch.setattr("engine.rebuild.OUTWEIGH", 0)
    world = completed()
    rows = [
        row._replace(snapshot=row.snapshot.replace(b'"n":2', b'"n":3')) if row.snapshot is not None else row
        for row in world.rows()
    ]

    found = verify_rows(world.head, world.graphs, 1, rows).problems

    assert found == ["5 node k: its snapshot is another state"]
