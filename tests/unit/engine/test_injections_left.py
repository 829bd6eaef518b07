"""State that waits for a node of a line that is left: it comes when that line is gone on with."""

from __future__ import annotations

from typing import Any

import pytest

from engine.driver.travel import Asked
from tests.builders import chain, document, graph_of, task
from tests.fakes import ready
from tests.simulation.travels import check_all_lines, checkout, replay
from tests.simulation.world import World

FAILS: dict[str, Any] = {"error": {"code": "no", "message": "no", "retryable": False}}


def waiting() -> World:
    """A run with a task at a worker, and state that is to follow it."""
    world = World(graph_of(document({"a": task(output_key="log"), "b": task()}, chain("a", "b"))))
    world.start()
    ready(world.travel.inject_after(world.head.id, "a", {"log": "mine"}))
    return world


@pytest.mark.parametrize("crash", [False, True])
def test_it_comes_on_its_own_line_alone(crash: bool) -> None:
    world = waiting()
    replay(world, 1, Asked())
    world.answer("a", "other")
    on_the_other = world.state["log"]
    checkout(world, 1)
    if crash:
        world.crash()
        world.turn(kept=True)
    world.answer("a", "own")

    assert (on_the_other, world.state["log"], world.run.injections) == (["other"], ["own", "mine"], {})
    check_all_lines(world)


@pytest.mark.parametrize("crash", [False, True])
def test_it_comes_once(crash: bool) -> None:
    world = waiting()
    world.answer("a", "own")
    replay(world, 1, Asked())
    checkout(world, 1)
    if crash:
        world.crash()

    assert (world.state["log"], world.run.injections) == (["own", "mine"], {})


@pytest.mark.parametrize("crash", [False, True])
def test_it_waits_on_a_line_that_had_failed(crash: bool) -> None:
    world = waiting()
    world.answer("a", FAILS)
    replay(world, 1, Asked())
    checkout(world, 1)
    if crash:
        world.crash()
    ready(world.travel.retry(world.head.id, {}, "test"))
    world.answer("a", "own")

    assert world.state["log"] == ["own", "mine"]
