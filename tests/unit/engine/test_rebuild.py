"""A run that is read from its rows stands as it stood; snapshots keep that quick and small."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from engine import rebuild, sources
from engine.codec import write
from engine.driver import known
from engine.driver.known import Known
from engine.driver.loading import Loader
from engine.model import Ref, RunStatus, make_ref
from engine.run import Run
from engine.snapshots import read_snapshot
from engine.sources import Source
from tests.builders import document, graph_of, route, task, writes
from tests.fakes import ready
from tests.simulation.world import World

STATE: dict[str, Any] = {
    "log": {"type": "array", "reducer": "append"},
    "msgs": {"type": "array", "reducer": "add_messages"},
    "n": {"type": "integer", "reducer": "add"},
    "last": {"type": "string"},
    "about": {"type": "object", "reducer": "merge"},
    "page": {"type": "string"},
}
LOOP = [("__start__", "a"), ("a", "r"), ("r:again", "a"), ("r:done", "__end__")]
KILOBYTE = "x" * 1000
OVERWRITE = {"__overwrite": True, "value": ["anew"]}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots wherever one may stand."""
    monkeypatch.setattr(rebuild, "MIN_ROWS", 1)
    monkeypatch.setattr(rebuild, "OUTWEIGH", 0)


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are named as long as they can be."""
    monkeypatch.setattr(sources, "OUTGROWN", 1000)


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
    work = (front.tasks, front.apart, front.waves, calls)
    return run.seq, run.status, *work, views, run.history.shown(), set(run.interrupts)


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


@pytest.mark.usefixtures("eager", "named")
def test_a_large_value_stands_in_a_snapshot_by_who_wrote_it() -> None:
    world = chat(4, output_mapping={"log": "t", "last": "t", "about": "a", "n": "n"})

    for number in range(3):
        world.answer("a", {"output": {"t": KILOBYTE, "a": {f"{number}": KILOBYTE}, "n": 1}})
    before = stands(world.run)
    world.crash()

    kept = read_snapshot(world.store.rows[1][-1])
    assert kept.values == {"n": 3}
    assert {name: [ref & 0xFF for ref in source.refs()] for name, source in kept.named()} == {
        "log": [2, 4, 6], "last": [6], "about": [2, 4, 6],
    }  # fmt: skip
    assert stands(world.run) == before


@pytest.mark.usefixtures("eager", "named")
def test_an_overwrite_forgets_the_commits_before_it() -> None:
    world = chat(4, output_key="log")

    world.answer("a", KILOBYTE)
    world.answer("a", {"output": {"__overwrite": True, "value": [KILOBYTE]}})
    world.answer("a", "new")
    world.crash()

    kept = read_snapshot(world.store.rows[1][-1])
    assert [[ref & 0xFF for ref in source.refs()] for _, source in kept.named()] == [[4, 6]]
    assert world.state["log"] == [KILOBYTE, "new"]


@pytest.mark.usefixtures("eager")
def test_a_value_stands_whole_again_when_more_was_written_to_it_than_it_holds() -> None:
    world = chat(40, output_mapping={"about": "a", "log": "t"})

    for number in range(39):
        world.answer("a", {"output": {"t": "x", "a": {f"{number % 2}": KILOBYTE}}})
    before = stands(world.run)
    kept = [read_snapshot(row) for row in world.store.rows[1] if row.snapshot is not None]
    world.crash()

    whole = [one.ref & 0xFF for one in kept if "about" in one.values]
    named = {source.base for one in kept for name, source in one.named() if name == "about"}
    assert 3 < len(whole) < 20
    assert {None if base is None else base & 0xFF for base in named} <= {None, *whole}
    assert max(len(list(source.refs())) for one in kept for name, source in one.named() if name == "about") < 10
    assert stands(world.run) == before


@pytest.mark.usefixtures("eager")
def test_a_key_that_nobody_wrote_is_in_no_snapshot() -> None:
    world = chat(3, output_key="n")

    world.answer("a", 1)
    world.answer("a", 1)

    assert read_snapshot(world.store.rows[1][-1]).values == {"n": 2}


@pytest.mark.usefixtures("eager")
def test_snapshots_of_older_versions_are_read() -> None:
    """They had all values whole, but for lists, of which they named the commits."""
    world = chat(4, output_mapping={"log": "t", "last": "t", "about": "a", "n": "n"})
    for number in range(3):
        world.answer("a", {"output": {"t": f"{number}", "a": {f"{number}": KILOBYTE}, "n": 1}})
    rows, state = world.store.rows[1], world.state
    values = {name: value for name, value in state.items() if name != "log"}
    rows[-1] = rows[-1]._replace(snapshot=write({"values": values, "refs": {"log": [2, 4, 6]}, "level": 6}))
    before = stands(world.run)

    world.crash()
    assert stands(world.run) == before
    world.turn()
    world.answer("a", {"output": {"t": "3", "a": {}, "n": 1}})
    world.crash()

    assert world.status is RunStatus.COMPLETED
    assert world.state == {**values, "log": ["0", "1", "2", "3"], "last": "3", "n": 4}


@pytest.mark.usefixtures("eager")
@pytest.mark.usefixtures("eager")
def test_a_snapshot_in_the_middle_of_a_deferred_send_says_that_it_stands_apart() -> None:
    send = {"type": "send", "items_key": "items", "target_node": "t", "output_key": "last", "defer": True}
    state = {"items": {"type": "array", "default": [1, 2]}, "last": {}}
    world = World(graph_of(document({"s": send, "t": task()}, [("__start__", "s"), ("s", "__end__")], state)))
    world.start()
    before = stands(world.run)
    assert world.store.rows[1][-1].snapshot is not None
    world.crash()
    assert stands(world.run) == before
    assert world.run.frontier.apart == 3


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


SHAPES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "a counter": ("n", lambda number: 1),
    "a list that grows": ("log", lambda number: KILOBYTE),
    "a list that grows by little": ("log", lambda number: 1),
    "messages of which the last ten are kept": (
        "msgs",
        lambda number: [{"id": f"{number}", "t": KILOBYTE}, {"id": f"{number - 10}", "remove": True}],
    ),
    "an object that grows": ("about", lambda number: {f"{number}": KILOBYTE}),
    "an object of which one part changes": ("about", lambda number: {"part": {"number": number, "text": KILOBYTE}}),
    "a text that is replaced": ("last", lambda number: KILOBYTE),
}


@pytest.mark.parametrize(("key", "update"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("document", [0, 100_000], ids=["", "beside a large document"])
def test_what_is_read_and_what_is_stored_is_linear(key: str, update: Callable[[int], Any], document: int) -> None:
    """A checkpoint is read from few rows, and from little more than what its state holds; snapshots weigh less than
    what was written."""
    world = chat(150, output_mapping={key: "new", "page": "page"})
    for number in range(125):
        page = {"page": "y" * document} if number == 0 else {}
        world.answer("a", {"output": {"new": update(number), **page}})
    rows = world.store.rows[1]

    for seq in (51, 125, 199, 250):
        state = len(write(ready(world.loader.at(world.head, seq)).history.shown()))
        line = ready(world.loader.line(world.head, seq))
        bases, writers = read_snapshot(line[0]).refers_to({})
        held = [len(row.snapshot or b"") for row in (*line, *ready(world.store.commits_at(list(bases))))]
        named = [len(row.body) for row in ready(world.store.commits_at(list(writers)))]
        assert len(line) <= 20
        assert sum(held) + sum(named) <= 5 * state + 16_000
    assert sum(len(row.snapshot or b"") for row in rows) < 0.6 * sum(len(row.body) for row in rows)


@pytest.mark.usefixtures("named")
def test_a_value_that_was_read_is_where_later_ones_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are read in any order; each is as if no other had been, and few of its commits are looked at."""
    monkeypatch.setattr(known, "FEW", 4)
    world = chat(150, output_mapping={"log": "new", "msgs": "said"})
    for number in range(100):
        said = [{"id": f"{number % 70}", "t": number}, {"id": f"{number - 9}", "remove": number % 3 == 0}]
        world.answer("a", {"output": {"new": [number] if number != 60 else OVERWRITE, "said": said}})
    looked_at: list[int] = []
    referred = Known.referred

    async def counted(self: Known, *what: Any) -> Any:
        found = await referred(self, *what)
        looked_at.append(len(found.writes))
        return found

    monkeypatch.setattr(Known, "referred", counted)
    loader, seqs = Loader(world.store, world.loader.graph), Random(1).sample(range(2, 200), 60)
    found = {seq: ready(loader.at(world.head, seq)).history.shown() for seq in seqs}
    few = sum(looked_at)
    alone = {seq: ready(Loader(world.store, world.loader.graph).at(world.head, seq)).history.shown() for seq in seqs}

    assert found == alone
    assert few < (sum(looked_at) - few) / 4


def test_a_value_does_not_begin_with_what_another_branch_wrote() -> None:
    first, *rest = (make_ref(1, number) for number in (3, 5, 7, 9))
    other = [make_ref(1, number) for number in (3, 6, 7)]
    whole = sourced(first, *rest)

    assert all(whole.begins_with(sourced(first, *rest[:count])) for count in range(4))
    assert whole.begins_with(Source())
    assert not whole.begins_with(sourced(*other))
    assert not whole.begins_with(sourced(first, *rest, make_ref(1, 11)))
    assert not sourced(*other).begins_with(sourced(first, *rest[:2]))
    assert not Source(base=first, spans=whole.spans).begins_with(whole)


def test_the_rest_of_the_commits_of_a_source_are_those_from_a_place_on() -> None:
    refs = [make_ref(1, number) for number in (1, 2, 3, 7, 9, 11, 4)]

    assert [list(sourced(*refs).refs(first)) for first in range(9)] == [refs[first:] for first in range(9)]


def sourced(*refs: Ref) -> Source:
    found = Source()
    for ref in refs:
        found.add(ref)
    return found
