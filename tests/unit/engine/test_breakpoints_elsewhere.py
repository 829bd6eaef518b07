"""Breakpoints where work does not follow the edges: an answer names what comes next, a node is deferred, a fork names
where to go on."""

from __future__ import annotations

from typing import Any

from engine.gates import stops_of
from tests.builders import chain, document, graph_of, task
from tests.simulation.world import World
from tests.unit.engine.worlds import sound

LOGS = task(output_key="log")
LINE = {"a": LOGS, "b": LOGS, "c": LOGS}


def begun(nodes: dict, edges: list, before: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> World:
    graph = graph_of(document(nodes, edges))
    world = World(graph)
    world.start(None, stops=stops_of(graph, before, after))
    return world


def go_on(world: World, updates: dict[str, Any] | None = None) -> None:
    """Pass the breakpoint that is open."""
    [name] = world.run.interrupts
    world.resume(name, None, updates)


def open_nodes(world: World) -> list[str]:
    return sorted(found.node for found in world.run.tasks.values())


def test_what_an_answer_named_comes_after_the_breakpoint_behind_its_node() -> None:
    world = begun(LINE, chain("a", "b", "c"), after=("a",))
    world.answer("a", {"output": "a", "goto": "c"})
    assert world.status == "interrupted"

    world.crash()
    go_on(world)

    assert open_nodes(world) == ["c"]
    assert sound(world)


def test_a_deferred_node_waits_until_the_breakpoint_behind_the_last_one_is_passed() -> None:
    world = begun({**LINE, "z": task(output_key="log", defer=True)}, chain("a", "b", "c"), after=("c",))
    for node in ("a", "b", "c"):
        world.answer(node, {"output": node})
    assert world.status == "interrupted"

    go_on(world)

    assert open_nodes(world) == ["z"]
    assert sound(world)


def test_a_deferred_node_sees_what_was_edited_at_the_breakpoint_before_it() -> None:
    world = begun({"a": LOGS, "z": task(output_key="log", defer=True)}, chain("a"), before=("z",))
    world.answer("a", {"output": "a"})

    world.crash()
    go_on(world, {"log": "edit"})

    [found] = world.run.tasks.values()
    assert (found.node, world.run.history.view(found)["log"]) == ("z", ["a", "edit"])
    assert sound(world)


def test_a_node_that_a_fork_names_waits_at_the_breakpoint_before_it() -> None:
    world = begun(LINE, chain("a", "b", "c"), before=("b",))
    world.fork(1, goto=("b", "c"))
    assert world.run.interrupts

    go_on(world)

    assert open_nodes(world) == ["b", "c"]
    assert sound(world)
