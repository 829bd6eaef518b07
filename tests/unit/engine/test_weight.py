"""What a subgraph or a send writes is bounded: a list that is appended to itself has twice as much at every turn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import weight
from engine.codec import dumps
from engine.model import RunStatus
from tests.builders import chain, graph_of, task, writes
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

STATE = {"log": {"type": "array", "reducer": "append"}, "items": {"type": "array"}, "got": {}}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight, "MOST", 2000)


def begun(nodes: dict[str, Any], edges: list[tuple[str, str]], **start: Any) -> World:
    world = World(graph_of({"id": "tested", "state_schema": STATE, "nodes": nodes, "edges": [*map(list, edges)]}))
    world.start(start)
    return world


def doubling(**fields: Any) -> dict[str, Any]:
    """A subgraph that gives back all that it was given, and one more."""
    inner = {"state_schema": STATE, "nodes": {"c": writes(log="more")}, "edges": [*map(list, chain("c"))]}
    return {
        "type": "subgraph", "definition": inner, "input_mapping": {"log": "state.log"},
        "output_mapping": {"log": "log"}, **fields,
    }  # fmt: skip


def test_a_loop_that_appends_a_list_to_itself_ends_before_it_is_too_large() -> None:
    again = {"max_iterations": 1000, "while": "true"}
    world = begun({"s": doubling(loop=again), "h": writes(got="{{ error.code }}")}, [*chain("s"), ("s:error", "h")])

    assert (world.status, world.state["got"]) == (RunStatus.COMPLETED, "state.too_large")
    assert sound(world)


def test_so_does_one_of_edges_and_the_error_says_what_was_too_large() -> None:
    nodes = {"s": doubling(), "r": {"type": "route", "rules": [], "default": "again"}}
    world = begun(nodes, [("__start__", "s"), ("s", "r"), ("r:again", "s"), ("r:done", "__end__")])

    assert world.run.error is not None
    assert (world.status, world.run.error.code, world.run.error.details) == (
        RunStatus.FAILED, "state.too_large", {"key": "log"},
    )  # fmt: skip
    assert "'s' writes to the state is larger than 2000 bytes" in world.run.error.message
    assert len(dumps(world.state["log"])) < 2 * weight.MOST
    assert sound(world)


@pytest.mark.parametrize(("size", "status"), [(300, RunStatus.COMPLETED), (700, RunStatus.FAILED)])
def test_the_outputs_of_a_send_are_bounded_together(size: int, status: RunStatus) -> None:
    send = {"type": "send", "items_key": "items", "target_node": "t", "output_key": "got"}
    world = begun({"s": send, "t": task()}, chain("s"), items=[1, 2, 3])
    for index in range(3):
        world.answer("t", {"output": "x" * size}, index)

    assert world.status is status
    assert (world.run.error.code if world.run.error else None) == (None, "state.too_large")[size > 500]
    assert sound(world)


@given(JSON)
def test_a_weight_is_never_more_than_what_is_written(value: Any) -> None:
    assert weight.weight(value, 10**9) <= len(dumps(value))


@given(st.lists(st.text(min_size=10, max_size=10), min_size=5))
def test_and_not_looked_at_further_once_it_is_too_much(value: list[str]) -> None:
    assert 20 < weight.weight([value, {"n": value}], 20) <= 12 + len(dumps([value, {"n": value}]))
