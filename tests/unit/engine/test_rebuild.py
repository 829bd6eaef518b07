"""A run that is read from its rows stands as it stood; snapshots keep that quick and small."""

from __future__ import annotations

from typing import Any

import pytest

from engine import rebuild
from engine.model import RunStatus
from engine.record import read_snapshot
from engine.run import Run
from tests.builders import document, graph_of, route, task, writes
from tests.simulation.world import World

STATE: dict[str, Any] = {
    "log": {"type": "array", "reducer": "append"},
    "msgs": {"type": "array", "reducer": "add_messages"},
    "n": {"type": "integer", "reducer": "add"},
    "last": {"type": "string"},
}
LOOP = [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "__end__")]
KILOBYTE = "x" * 1000


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots wherever one may stand."""
    monkeypatch.setattr(rebuild, "MIN_SNAPSHOT_WEIGHT", 1)
    monkeypatch.setattr(rebuild, "OUTWEIGH", 0)


def chat(rounds: int, **fields: Any) -> World:
    """A task that is asked again and again."""
    nodes = {"a": task(**fields), "r": route("done", (f"meta.step < {2 * rounds}", "again"))}
    world = World(graph_of(document(nodes, LOOP, STATE, config={"max_steps": 5000})))
    world.start()
    return world


def stands(run: Run) -> tuple[Any, ...]:
    """What of a run must be the same after a restart."""
    front = run.frontier
    calls = {name: (call.size, call.done) for name, call in front.calls.items()}
    views = {name: run.history.view(one) for name, one in front.tasks.items()}
    return run.seq, run.status, front.tasks, front.waves, calls, views, run.history.shown(), set(run.interrupts)


def test_a_run_that_is_read_again_stands_as_before() -> None:
    nodes = {"a": task(output_key="log"), "b": task(output_key="log"), "w": {"type": "interrupt", "message": "?"}}
    edges = [("__start__", name) for name in nodes] + [(name, "j") for name in nodes] + [("j", "__end__")]
    world = World(graph_of(document({**nodes, "j": writes(n=1)}, edges, STATE)))
    world.start()
    world.answer("b", "b")
    before = stands(world.run)

    world.crash()

    assert stands(world.run) == before


@pytest.mark.usefixtures("eager")
def test_a_snapshot_is_the_state_that_its_commits_make() -> None:
    world = chat(3, output_mapping={"log": "t", "last": "t", "n": "n"})
    for number in range(2):
        world.answer("a", {"output": {"t": f"text {number}", "n": 1}})
    before = stands(world.run)

    world.crash()

    assert world.store.rows[1][-1].snapshot is not None
    assert stands(world.run) == before


@pytest.mark.usefixtures("eager")
def test_lists_that_grow_are_kept_by_reference_to_who_wrote_them() -> None:
    world = chat(3, output_mapping={"log": "t", "msgs": "m"})

    world.answer("a", {"output": {"t": "one", "m": {"content": "one"}}})
    world.answer("a", {"output": {"t": "two"}})

    kept = read_snapshot(world.store.rows[1][-1])
    assert {name: [ref & 0xFF for ref in refs] for name, refs in kept.refs.items()} == {"log": [2, 4], "msgs": [2]}
    assert set(kept.values) == {"n"}


@pytest.mark.usefixtures("eager")
def test_an_overwrite_forgets_the_commits_before_it() -> None:
    world = chat(4, output_key="log")

    world.answer("a", "one")
    world.answer("a", {"output": {"__overwrite": True, "value": ["new"]}})
    world.answer("a", "three")
    world.crash()

    assert [ref & 0xFF for ref in read_snapshot(world.store.rows[1][-1]).refs["log"]] == [4, 6]
    assert world.state["log"] == ["new", "three"]


@pytest.mark.usefixtures("eager")
def test_a_fork_of_a_fork_reads_snapshots_of_the_runs_above_it() -> None:
    world = chat(4, output_key="log")
    for text in ("one", "two"):
        world.answer("a", text)

    world.fork(world.run.seq)
    world.answer("a", "three")
    world.fork(world.run.seq)
    world.crash()
    world.turn()
    world.answer("a", "four")

    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one", "two", "three", "four"])


@pytest.mark.usefixtures("eager")
def test_a_branch_that_ended_is_in_the_state_shown_after_a_restart() -> None:
    nodes = {"a": task(output_key="log"), "b": task(output_key="log"), "c": task(reads=["log"])}
    edges = [("__start__", "a"), ("__start__", "b"), ("b", "c"), ("c", "__end__")]
    world = World(graph_of(document(nodes, edges, STATE)))
    world.start()
    world.answer("a", "a")
    world.answer("b", "b")

    world.crash()
    world.turn()

    assert world.store.rows[1][-1].snapshot is not None
    assert world.state["log"] == ["a", "b"]
    assert world.outbox.works[next(iter(world.outbox.works))].request.state == {"log": ["b"]}


@pytest.mark.parametrize(("key", "named"), [("log", {}), ("msgs", {"id": "m"}), ("msgs", {})])
def test_storage_is_linear_in_what_was_written(key: str, named: dict[str, str]) -> None:
    """500 messages of 1 KB, each appended by a node of its own: rows and snapshots hold at most three times that."""
    world = chat(500, output_key=key)
    for number in range(500):
        name = {word: f"{value}{number}" for word, value in named.items()}
        world.answer("a", {"output": {"content": KILOBYTE, **name}})

    rows = world.store.rows[1]
    stored = sum(len(row.body) + len(row.snapshot or b"") for row in rows)

    assert world.status is RunStatus.COMPLETED
    assert any(row.snapshot is not None for row in rows)
    assert stored <= 3 * 500 * len(KILOBYTE)


def test_a_long_run_is_read_from_its_last_snapshot_on() -> None:
    world = chat(300, output_mapping={"last": "t"})
    for _ in range(250):
        world.answer("a", {"output": {"t": KILOBYTE}})

    rows = world.loader.line(world.head, world.run.seq)
    try:
        rows.send(None)
    except StopIteration as done:
        count = len(done.value)

    assert count < 20
