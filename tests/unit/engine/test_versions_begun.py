"""What subgraphs and sends have begun goes on in another version where that does not change what they do."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.travel import Asked
from engine.graph import Graph
from engine.model import RunStatus
from tests.builders import chain, document, graph_of, task
from tests.simulation.travels import replay
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

Nodes = dict[str, Any]
NO = {"error": {"code": "no", "message": "no", "retryable": False}}
CHANGED = {"notes": {"label": "x", "position": {"x": 1}, "metadata": {"y": 1}}, "prompt": {"prompt_template": "again"}}


def part(**second: Any) -> dict[str, Any]:
    """A graph of two tasks, the second of which is as said."""
    return document({"a": task(output_key="log"), "b": task(output_key="log", **second)}, chain("a", "b"))


def run_by(kind: str, inner: dict[str, Any]) -> dict[str, Any]:
    """A document that runs a graph: in place, or by its name."""
    node = {"type": "subgraph", "definition": inner} if kind == "in place" else {"type": "subgraph", "subgraph": "p"}
    made = document({"s": {**node, "output_mapping": {"log": "log"}}}, chain("s"))
    return made if kind == "in place" else {**made, "subgraphs": {"p": inner}}


def sent(**fields: Any) -> dict[str, Any]:
    """A document that sends two items."""
    send = {"type": "send", "items_key": "items", "target_node": "w", "output_key": "out", **fields}
    state = {"items": {"type": "array", "default": [1, 2]}, "out": {"type": "array"}}
    state["log"] = {"type": "array", "reducer": "append"}
    return document({"s": send, "w": task()}, chain("s"), state)


def begun(old: dict[str, Any], new: dict[str, Any]) -> World:
    """A run of a document, of which there is another version."""

    def graph(made: dict[str, Any], version: int) -> Graph:
        return graph_of(made, version=version)

    world = World(graph(old, 1), {2: graph(new, 2)})
    world.start()
    return world


def go_on(world: World, **asked: Any) -> None:
    """Replay onto the other version, from where the run stands; then read it again, as after a crash."""
    replay(world, world.run.seq, Asked(version=2, **asked))
    world.crash()
    world.turn(kept=True)


@pytest.mark.parametrize("kind", ["in place", "by name"])
@pytest.mark.parametrize(("change", "asked"), [("notes", ["b"]), ("prompt", ["a"])])
def test_a_subgraph_goes_on_where_it_does_the_same(kind: str, change: str, asked: list[str]) -> None:
    world = begun(run_by(kind, part()), run_by(kind, part(**CHANGED[change])))
    world.answer("a", "one")
    go_on(world)
    assert [node for node, _ in world.waiting()] == asked


@pytest.mark.parametrize("kind", ["in place", "by name"])
def test_what_a_subgraph_was_answered_before_it_began_anew_is_taken_over(kind: str) -> None:
    world = begun(run_by(kind, part()), run_by(kind, part(**CHANGED["prompt"])))
    world.answer("a", "one")
    world.answer("b", NO)
    go_on(world, reuse=True)
    assert [node for node, _ in world.waiting()] == ["b"]
    world.answer("b", "two")
    assert (world.status, world.state["log"]) == (RunStatus.COMPLETED, ["one", "two"])
    assert sound(world)


@pytest.mark.parametrize("fields", [{"on_item_error": "skip"}, {"max_concurrency": 2}, {"label": "x"}])
def test_a_send_goes_on_with_the_items_that_are_left(fields: dict[str, Any]) -> None:
    world = begun(sent(), sent(**fields))
    world.answer("w", {"output": "one", "updates": {"log": "once"}}, 0)
    world.answer("w", NO, 1)
    go_on(world)
    assert [index for _, index in world.waiting()] == [1]
    world.answer("w", NO if "on_item_error" in fields else "two", 1)
    out = ["one"] if "on_item_error" in fields else ["one", "two"]
    assert (world.status, world.state["out"], world.state["log"]) == (RunStatus.COMPLETED, out, ["once"])
    assert sound(world)


def test_a_send_of_other_items_begins_anew() -> None:
    world = begun(sent(), sent(items_key="log"))
    world.answer("w", "one", 0)
    go_on(world)
    assert world.status is RunStatus.COMPLETED
